"""What neurons and connections of a chip do not compute, and what is used in its place: layers and functions of real
values."""

from __future__ import annotations

from collections.abc import Mapping

from seamount.frontends.frameworks.refusal import Refusal

CURVE = Refusal(
    "bends real values, and a chip has sums, leaks and thresholds only",
    "put a neuron layer in its place, whose threshold is the nonlinearity, and train again",
)
SHARE = Refusal(
    "divides real values by a sum over all of them, which no connection does",
    "leave it out at the end of the network, where the largest output stays the largest; elsewhere use a neuron layer",
)
NORM = Refusal(
    "scales by the mean or spread of each input, which no connection does",
    "use a batch norm, which is a fixed scale at inference, and train again",
)
GATES = Refusal(
    "its gates multiply activations with each other, which no connection does",
    "use recurrent spiking neurons (norse LIFRecurrentCell, snntorch RLeaky or RSynaptic, sinabs LIFRecurrent; in "
    "spikingjelly a LIFNode whose spikes of the step before go through a Linear), and train again",
)
STATE = Refusal("keeps a state of real values, bent at each step, where a chip sends spikes", GATES.remedy)
ATTENTION = Refusal(
    "multiplies activations with each other (attention), which no connection does",
    "mix tokens with convolutions or with Linear layers over tokens, whose weights are fixed, and train again",
)
ORDER = Refusal("compares or sorts real values with each other, which no connection does", CURVE.remedy)
LOOKUP = Refusal("looks up rows by number, where a chip takes spikes", "use a Linear on one-hot inputs")
TRANSFORMER = Refusal(
    f"{ATTENTION.found}, and normalises each input", f"{ATTENTION.remedy}; a batch norm instead of the layer norm"
)

_CURVES = (
    "Sigmoid", "Tanh", "GELU", "SiLU", "ELU", "CELU", "SELU", "LeakyReLU", "PReLU", "RReLU", "Softplus", "Hardtanh",
    "Hardsigmoid", "Hardswish", "Hardshrink", "Softshrink", "Tanhshrink", "Softsign", "LogSigmoid", "Mish", "Threshold",
)  # fmt: skip
_NORMS = (
    "LayerNorm", "GroupNorm", "RMSNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LocalResponseNorm",
    "CrossMapLRN2d",
)  # fmt: skip
LAYERS: Mapping[str, Refusal] = {
    **dict.fromkeys(_CURVES, CURVE),
    **dict.fromkeys(_NORMS, NORM),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Softmin", "Softmax2d"), SHARE),
    **dict.fromkeys(("LSTM", "GRU", "LSTMCell", "GRUCell", "GLU"), GATES),
    **dict.fromkeys(("RNN", "RNNCell"), STATE),
    "MultiheadAttention": ATTENTION,
    **dict.fromkeys(
        (
            "Transformer", "TransformerEncoder", "TransformerEncoderLayer", "TransformerDecoder",
            "TransformerDecoderLayer",
        ),
        TRANSFORMER,
    ),
    **dict.fromkeys(("Bilinear", "CosineSimilarity", "PairwiseDistance"), ATTENTION),
    **dict.fromkeys(("Embedding", "EmbeddingBag"), LOOKUP),
}  # fmt: skip
"""torch.nn class -> why it is refused."""

_PRODUCTS = (
    "matmul", "bmm", "mm", "einsum", "baddbmm", "addbmm", "addmm", "scaled_dot_product_attention", "tensordot", "inner",
    "outer", "bilinear", "rmatmul",
)  # fmt: skip
FUNCTIONS: Mapping[str, Refusal] = {
    **{name.lower(): CURVE for name in _CURVES},
    **dict.fromkeys(
        ("leaky_relu", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "sign", "round", "floor", "ceil", "erf", "expit"),
        CURVE,
    ),
    **dict.fromkeys(("hardtanh", "hardswish", "logsigmoid", "reciprocal"), CURVE),
    **dict.fromkeys(("softmax", "log_softmax", "softmin", "gumbel_softmax", "logsumexp"), SHARE),
    **dict.fromkeys(
        ("layer_norm", "group_norm", "instance_norm", "rms_norm", "normalize", "local_response_norm", "std", "var"),
        NORM,
    ),
    **dict.fromkeys(("sort", "argsort", "topk", "argmax", "argmin", "kthvalue", "median", "cummax"), ORDER),
    **dict.fromkeys(_PRODUCTS, ATTENTION),
    "glu": GATES,
    "embedding": LOOKUP,
}
"""Function of torch -> why it is refused between two traced values."""

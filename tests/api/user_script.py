# ruff: noqa: F821
"""What a user's own script looks like to a type checker; tests/api/test_typing.py reads the revealed types."""

import numpy as np

import seamount as sm

x, y = np.zeros((4, 10, 8), np.float32), np.zeros(4, np.int64)
model = sm.load("model.pt")
artifact = sm.compile(model, weight_bits=4, bits={"fc1": 8}, calibrate=x)
run = artifact.run(x, y, record=["spikes"])
reveal_type(model)
reveal_type(artifact)
reveal_type(run)
reveal_type(run.predictions)
reveal_type(run.scores)
reveal_type(run.accuracy)
reveal_type(run.spikes["lif1"])
reveal_type(run.counts.synop_totals)
reveal_type(sm.check(model, (x, y)).ok)
reveal_type(sm.diff(artifact, artifact).divergence)
reveal_type(sm.fit(artifact).cores)
reveal_type(sm.ranges(artifact).proven)
reveal_type(sm.price(run).to_dict())
reveal_type(sm.report(run).save("net.html"))
reveal_type(sm.targets().names)
try:
    sm.load_artifact("gone")
except sm.SeamountError as error:
    reveal_type(error.problems[0].remedy)

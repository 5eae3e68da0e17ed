"""Names of recipes, with the hyperparameters they start from."""

from __future__ import annotations

from collections.abc import Mapping

from seamount.compiler.errors import InputError, Problem
from seamount.models.recipes.etc import Etc
from seamount.models.recipes.joint import Joint
from seamount.models.recipes.one_step import OneStep
from seamount.models.recipes.pipe import PipeD, PipeS
from seamount.models.recipes.plain import Plain
from seamount.models.recipes.recipe import Recipe
from seamount.models.recipes.tet import Tet
from seamount.models.recipes.tssd import Tssd

RECIPES: Mapping[str, Recipe] = {
    "plain": Plain(),
    "tet": Tet(),
    "etc": Etc(),
    "tssd": Tssd(),
    "joint": Joint(),
    "branch-ce": Joint(artificial=False, factorise=False),
    "pipe-s": PipeS(),
    "pipe-relu": PipeS(activation="relu"),
    "pipe-s-etc": PipeS(tuning=Etc()),
    "pipe-d": PipeD(),
    "one-step": OneStep(),
}
"""Name -> recipe. Rivals: branch-ce of joint, pipe-relu of pipe-s, tet of etc, plain at short T of tssd."""


def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises InputError, listing the known ones."""
    if name not in RECIPES:
        raise InputError(Problem(f"recipe '{name}'", "does not exist", f"use one of {', '.join(RECIPES)}"))
    return RECIPES[name]

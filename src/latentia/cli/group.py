"""The list of commands, of which those that stand for operations are made when they are called."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

Context = Any
"""What the library passes from command to command; it keeps the class private."""

OPERATIONS = {
    "sample": "Write new texts.",
    "reconstruct": "Write what each text becomes when the centre of its posterior is decoded.",
    "interpolate": "Write the texts on the way between two others, both ends included.",
    "traverse": "Write what a text becomes as one dimension of its code changes, the others staying.",
    "analogy": "Write the text that is to the third as the first is to the second.",
    "augment": "Write new texts of each class of a labelled corpus, or measure what they do for classifiers.",
    "encode": "Turn texts into vectors.",
    "decode": "Turn vectors into texts.",
    "neighbours": "Find the texts whose codes are nearest to that of a text.",
    "cluster": "Group texts by their codes, and name each group by what its middle decodes to.",
    "outliers": "Find the texts that are least like the training texts.",
    "score": "Estimate how likely each text is.",
    "edit": "Change texts in one respect, which a label or two lists of texts say.",
    "impute": "Fill the blanks of texts, written ___, with what most probably stands there.",
}
"""First line of each operation's docstring, said here once more because to read them takes loading torch."""


class Group(TyperGroup):
    """Commands that are functions of this room, and one for each operation."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Name the commands in the order in which people need them."""
        return [*super().list_commands(ctx), *OPERATIONS]

    def get_command(self, ctx: Context, cmd_name: str) -> TyperCommand | None:
        """Return a command; that of an operation knows its first line alone, which is all that a list of them needs."""
        if cmd_name in OPERATIONS:
            return TyperCommand(cmd_name, help=OPERATIONS[cmd_name])
        command: TyperCommand | None = super().get_command(ctx, cmd_name)  # type: ignore[assignment] # all are
        return command

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that is called, and make it if it stands for an operation."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in OPERATIONS:
            from latentia.cli.operation import command_of

            command = command_of(name)
        return name, command, rest

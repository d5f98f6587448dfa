"""``completion SHELL``: completion scripts made from the parser itself."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass

from dynamicfs_tui.cli.command import SentenceParser, Session, Verbs
from engine.status.views import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbSummary:
    """A verb as shells need it: its options, with the words that may follow each."""

    name: str
    summary: str
    options: dict[str, tuple[str, ...]]
    words: tuple[str, ...]
    """Every word that one of its positional arguments may be."""


def register(verbs: Verbs, build_parser: Callable[[], SentenceParser]) -> None:
    """Add the verb; *build_parser* gives the parser that is described."""

    def run(session: Session, arguments: Namespace) -> int:
        session.stdout.write(_SHELLS[arguments.shell](summarize(build_parser())))
        return ExitCode.FINE

    verb = verbs.add("completion", run, "print a completion script for a shell")
    verb.add_argument("shell", choices=list(_SHELLS), help="which shell")


def summarize(parser: argparse.ArgumentParser) -> list[VerbSummary]:
    """Return every verb of *parser*, in its order."""
    # argparse has no public way to walk a parser; these two attributes are what
    # every completion generator reads, and the tests would notice a change.
    actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    found: list[VerbSummary] = []
    for action in actions:
        summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, verb in action.choices.items():
            found.append(_summarize_verb(name, summaries[name], verb))
    return found


def _summarize_verb(name: str, summary: str, verb: argparse.ArgumentParser) -> VerbSummary:
    options: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    for action in verb._actions:
        choices = tuple(str(choice) for choice in action.choices or ())
        if action.help == argparse.SUPPRESS:
            continue
        for option in action.option_strings:
            options[option] = choices
        if not action.option_strings:
            words += choices
    return VerbSummary(name=name, summary=summary, options=options, words=tuple(words))


def _bash(verbs: list[VerbSummary]) -> str:
    cases = "".join(
        f"        {verb.name}) words='{' '.join((*verb.options, *verb.words))}' ;;\n"
        for verb in verbs
    )
    after = "".join(
        f"        {verb.name}:{option}) words='{' '.join(choices)}' ;;\n"
        for verb in verbs
        for option, choices in verb.options.items()
        if choices
    )
    return f"""# bash completion for dynamicfs
_dynamicfs() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W '{" ".join(v.name for v in verbs)}' -- "$current")
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}    esac
    case ${{COMP_WORDS[1]}}:$previous in
{after}    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"; compgen -f -- "$current")
}}
complete -o filenames -F _dynamicfs dynamicfs
"""


def _quoted(text: str) -> str:
    """Return *text* in single quotes, for zsh and fish alike."""
    return "'" + text.replace("\\", "\\\\").replace("'", "'\\''") + "'"


def _zsh(verbs: list[VerbSummary]) -> str:
    names = "\n".join(f"        {_quoted(f'{verb.name}:{verb.summary}')}" for verb in verbs)
    cases = "".join(
        f"        {verb.name}) compadd -- {' '.join((*verb.options, *verb.words))} ;;\n"
        for verb in verbs
    )
    return f"""#compdef dynamicfs
_dynamicfs() {{
    local -a verbs
    verbs=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe verb verbs
        return
    fi
    case $words[2] in
{cases}    esac
    _files
}}
compdef _dynamicfs dynamicfs
"""


def _fish(verbs: list[VerbSummary]) -> str:
    lines = ["# fish completion for dynamicfs"]
    for verb in verbs:
        lines.append(
            f"complete -c dynamicfs -n __fish_use_subcommand -f -a {verb.name} "
            f"-d {_quoted(verb.summary)}"
        )
        seen = f"-n '__fish_seen_subcommand_from {verb.name}'"
        for option, choices in verb.options.items():
            if option.startswith("--"):
                follow = f" -x -a '{' '.join(choices)}'" if choices else ""
                lines.append(f"complete -c dynamicfs {seen} -l {option[2:]}{follow}")
        if verb.words:
            lines.append(f"complete -c dynamicfs {seen} -a '{' '.join(verb.words)}'")
    return "\n".join(lines) + "\n"


_SHELLS: dict[str, Callable[[list[VerbSummary]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}

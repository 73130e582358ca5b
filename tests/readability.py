"""How easily texts read: ``python -m tests.readability [--errors] [FILE ...]``.

Flesch's reading ease, 206.835 - 1.015 * words/sentences - 84.6 * syllables/words (Flesch, 1948):
60 and more is plain English, 30 and less a paper. Syllables are counted as groups of vowels.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_PROSE = re.compile(
    r"^```.*?^```|^<!--.*?-->|^\|.*?$|^ {4}.*?$|^#.*?$", re.MULTILINE | re.DOTALL
)
SENTENCE = re.compile(r"(?<=[.!?:])\s+")
VOWELS = re.compile(r"[aeiouy]+")


def sentences(markdown: str) -> list[str]:
    """The sentences of a page's prose: no code, no tables, no headings."""
    text = NOT_PROSE.sub("\n\n", markdown)
    text = re.sub(r"`[^`]*`", "name", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    blocks = re.split(r"\n\s*\n|\n(?=- |\d+\. )", text)
    found = (part for block in blocks for part in SENTENCE.split(" ".join(block.split())))
    return [part for part in found if len(words(part)) > 2]


def words(text: str) -> list[str]:
    """The words of a text, without its punctuation."""
    return re.findall(r"[A-Za-z][A-Za-z'-]*", text)


def syllables(word: str) -> int:
    """The groups of vowels of a word, a silent e left out; at least one."""
    word = word.lower()
    silent = word.endswith("e") and not word.endswith(("le", "ee"))
    return max(1, len(VOWELS.findall(word)) - silent)


def ease(prose: list[str]) -> float:
    """Flesch's reading ease of some sentences."""
    all_words = [word for sentence in prose for word in words(sentence)]
    if not all_words:
        return 100.0
    length = len(all_words) / len(prose)
    return 206.835 - 1.015 * length - 84.6 * sum(map(syllables, all_words)) / len(all_words)


def messages() -> list[str]:
    """The texts of the library's errors, as far as they stand in exceptions.py."""
    tree = ast.parse((ROOT / "kck_publish" / "exceptions.py").read_text())
    texts = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "super().__init__"
            and node.args
        ):
            parts = [
                part.value if isinstance(part, ast.Constant) else "name"
                for part in ast.walk(node.args[0])
                if isinstance(part, ast.Constant | ast.FormattedValue)
            ]
            texts.append(" ".join("".join(map(str, parts)).split()))
    return _sentences_of(texts)


def hints() -> list[str]:
    """The texts of the checks: what is wrong, and what to do."""
    texts: list[str] = []
    for path in sorted((ROOT / "kck_publish" / "diagnosis").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Problem":
                texts += map(_text, node.args)
    return _sentences_of(texts)


def _text(node: ast.expr) -> str:
    """The constant parts of an argument, with "name" for what is put in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "name"


def _sentences_of(texts: list[str]) -> list[str]:
    return [
        sentence
        for text in texts
        for sentence in SENTENCE.split(" ".join(text.split()))
        if len(words(sentence)) > 2
    ]


def main() -> None:
    """Print a line for each text."""
    names = [name for name in sys.argv[1:] if not name.startswith("--")]
    pages = [Path(name) for name in names] or [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    for page in pages:
        prose = sentences(page.read_text())
        longest = max((len(words(sentence)) for sentence in prose), default=0)
        print(f"{ease(prose):5.1f}  longest sentence {longest:3} words  {page}")
    if "--errors" in sys.argv:
        print(f"{ease(messages()):5.1f}  error messages")


if __name__ == "__main__":
    main()

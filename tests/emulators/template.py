"""What the emulator runs read from template.yaml, as text: it has intrinsic functions that a YAML library does not know."""

import re

from services import ROOT

TEXT = (ROOT / "template.yaml").read_text()


def blocks(text=TEXT):
    """The template cut before every key of the first level below a section: each resource is a block."""
    return re.split(r"(?m)^(?=  \w+:\n|\w+:)", text)


def name_of(block):
    """A resource's logical name."""
    return block.split(":")[0].strip()


def functions():
    """The block of each function, by its folder."""
    found = {re.search(r"CodeUri: target/lambda/([\w-]+)/", block): block for block in blocks()}
    return {folder[1]: block for folder, block in found.items() if folder}

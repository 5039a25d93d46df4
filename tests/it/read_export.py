"""Reads an exported file with somebody else's reader and prints what it found as JSON."""

import json
import sys


def cards(path):
    import vobject

    with open(path, encoding="utf-8", newline="") as file:
        for card in vobject.readComponents(file.read()):
            name = card.n.value
            yield {
                "properties": sorted({line.name for line in card.lines()}),
                "fn": card.fn.value,
                "n": [name.family, name.given, name.additional, name.prefix, name.suffix],
                "email": getattr(card, "email", None) and card.email.value,
                "tel": getattr(card, "tel", None) and card.tel.value,
                "title": getattr(card, "title", None) and card.title.value,
                "org": getattr(card, "org", None) and card.org.value,
            }


def sheets(path):
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(path)
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


kind, path = sys.argv[1:]
print(json.dumps(list(cards(path)) if kind == "vcf" else sheets(path)))

"""Whether the examples of docs/openapi.yaml fit the schemas that they stand beside."""

import sys

import jsonschema_rs
import yaml


def examples(node, where):
    """Yields (where, schema, example) of everything that has both."""
    if isinstance(node, dict):
        if "schema" in node:
            if "example" in node:
                yield where, node["schema"], node["example"]
            for name, example in node.get("examples", {}).items():
                yield f"{where}/{name}", node["schema"], example
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from examples(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from examples(value, f"{where}/{index}")


def main(path):
    with open(path) as file:
        document = yaml.safe_load(file)
    components = document["components"]
    checked, faults = 0, []
    for where, schema, example in examples(document, ""):
        if isinstance(example, dict) and "$ref" in example:
            example = components["examples"][example["$ref"].rsplit("/", 1)[1]]
        if isinstance(example, dict) and "value" in example:
            example = example["value"]
        validator = jsonschema_rs.Draft202012Validator({**schema, "components": components})
        faults += [f"{where}: {error.message}" for error in validator.iter_errors(example)]
        checked += 1
    print(f"{checked} examples fit their schemas" if not faults else "\n".join(faults))
    return 1 if faults or not checked else 0


sys.exit(main(sys.argv[1]))

"""Transforms template.yaml as CloudFormation does and counts what comes out, or checks samconfig.toml's stages against its parameters.

    resources.py template.yaml --most N
    resources.py template.yaml --stages samconfig.toml
"""

import collections
import logging
import re
import sys
import tomllib
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def transformed(template, parameters):
    """The resources after the transform. `sam package` would have put the code into a bucket first."""
    for resource in template["Resources"].values():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    logging.disable(logging.WARNING)
    return Translator({}, Parser()).translate(template, parameters)["Resources"]


def count(template, most):
    resources = transformed(template, {})
    kinds = collections.Counter(resource["Type"] for resource in resources.values())
    for kind, number in kinds.most_common():
        print(f"{number:4} {kind}")
    print(f"{len(resources)} resources after the transform, at most {most}")
    return len(resources) <= most


def problems(parameters, values):
    """What CloudFormation would refuse."""
    for name, value in values.items():
        if name not in parameters:
            yield f"there is no parameter {name}"
            continue
        parameter = parameters[name]
        allowed = parameter.get("AllowedValues")
        if allowed and value not in [str(one) for one in allowed]:
            yield f"{name}: {value} is none of {allowed}"
        if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], value):
            yield f"{name}: {value} does not fit {parameter['AllowedPattern']}"
        if parameter["Type"] == "Number" and not value.isdigit():
            yield f"{name}: {value} is no number"
    yield from (f"{name} is not set and has no default" for name in parameters if name not in values and "Default" not in parameters[name])


def stages(template, config):
    good = True
    for stage, commands in config.items():
        if not isinstance(commands, dict) or "deploy" not in commands:
            continue
        values = dict(pair.split("=", 1) for pair in commands["deploy"]["parameters"]["parameter_overrides"])
        for problem in problems(template["Parameters"], values):
            print(f"{stage}: {problem}")
            good = False
        print(f"{stage}: {len(values)} parameters")
    return good


def main(arguments):
    template = yaml_parse(Path(arguments[0]).read_text())
    match arguments[1:]:
        case ["--most", most]:
            return count(template, int(most))
        case ["--stages", file]:
            return stages(template, tomllib.loads(Path(file).read_text()))
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)

"""The container's files say what the service has: nothing builds them here."""

import re
import shlex

import yaml

from anode.configuration.composition import compose
from anode.service.app import create_app
from anode.service.settings import ServeConfig, parse_serve
from helpers.settings import REPOSITORY

TEXT = re.sub(r"\\\n", " ", (REPOSITORY / "Containerfile").read_text())


def words_of(instruction: str) -> list[str]:
    found = re.findall(rf"^{instruction} (\[.*\])$", TEXT, re.MULTILINE)
    return list(yaml.safe_load(found[-1]))


def test_the_command_of_the_container_composes():
    entry = words_of("ENTRYPOINT")
    assert entry[:2] == ["anode", "serve"]
    compose_file = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
    for last in (words_of("CMD"), compose_file["services"]["anode"]["command"]):
        config = parse_serve(compose("serve", [*entry[2:], *last]))
        assert (config.host, config.port, config.run_dir) == ("0.0.0.0", 8000, "/run_dir")


def test_the_container_does_not_run_as_root():
    assert re.findall(r"^USER (\d+)$", TEXT, re.MULTILINE)[-1] != "0"
    assert TEXT.index("\nUSER ") > TEXT.index("useradd")


def test_the_health_check_asks_a_route_that_there_is():
    (check,) = re.findall(r"HEALTHCHECK .*CMD (\[.*?\])$", TEXT, re.MULTILINE)
    path = re.search(r"127\.0\.0\.1:8000(/[\w/]+)", check)
    assert path is not None
    config = ServeConfig("run", "127.0.0.1", 0, None, 1, 1, 1)
    assert path[1] in create_app(config).openapi()["paths"]


def test_what_is_copied_is_there_and_nothing_else_is_sent_to_the_build():
    lines = re.findall(r"^COPY (?!--from)(.*)$", TEXT, re.MULTILINE)
    names = {name for line in lines for name in shlex.split(line)[:-1]}
    for name in names:
        assert (REPOSITORY / name).exists(), name
    first, *sent = (REPOSITORY / ".dockerignore").read_text().split()
    assert (first, sent[-1]) == ("*", "**/__pycache__")
    assert {name.removeprefix("!") for name in sent[:-1]} == names

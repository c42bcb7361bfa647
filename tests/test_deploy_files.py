"""The files that people deploy with say what a live call needs of its host."""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # It comes with moto, which ships no types of it.

from callbridge.server.config.settings import VARIABLES, Settings
from callbridge.server.process.listening.listening import HANDLERS_END_S
from callbridge.switchboard.draining import ACTION_S, HAND_OVER_S

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, comments dropped and long lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line)]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def of(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in stage if found == word]


def test_image_has_two_stages_on_a_slim_base() -> None:
    build, final = stages()
    (build_base,), (final_base,) = of(build, "FROM"), of(final, "FROM")
    assert build_base == f"{final_base} AS build"
    assert re.fullmatch(r"python:3\.1[1-9]\.\d+-slim-\w+", final_base), "the same image next month"


def test_image_and_ci_install_what_was_tested() -> None:
    """Names and versions only, and one for each thing that the package needs."""
    build, _ = stages()
    assert "--constraint constraints.txt" in of(build, "RUN")[0]
    assert "-c constraints.txt" in (ROOT / ".ci" / "run").read_text()
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert all(re.fullmatch(r"[\w.]+", version) for version in versions.values())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *(need for extra in extras.values() for need in extra)]
    constrained = {canonical(name) for name in versions}
    assert {canonical(re.split(r"[\[<>=; ]", need)[0]) for need in needed} <= constrained


def test_records_are_all_that_is_optional_for_them() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    parts = ("postgres", "s3", "opus", "parquet", "analysis", "encryption")
    assert extras["records"] == [need for part in parts for need in extras[part]]


def test_what_we_use_without_a_promise_has_an_upper_bound() -> None:
    """The next minor version of these may take away what the fast lane and the legs stand on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in ("uvicorn", "picows", "aiofastnet"):
        (need,) = (need for need in project["dependencies"] if need.startswith(name))
        low, high = re.findall(r"\d+\.\d+", need)
        major, minor = low.split(".")
        assert high == f"{major}.{int(minor) + 1}"
    assert all("<" in need for need in project["dependencies"])


def canonical(name: str) -> str:
    """One spelling for the name of a package, as the packaging standard has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_final_stage_takes_the_environment_and_nothing_else() -> None:
    """Neither source nor build tools reach the final image; even the installer is taken out."""
    _, final = stages()
    assert of(final, "COPY") == ["--from=build /opt/callbridge /opt/callbridge"]
    (steps,) = of(final, "RUN")
    assert [step.split()[0] for step in steps.split("&&")] == ["pip", "install"]
    assert steps.startswith("pip uninstall --yes pip ")
    assert of(final, "ADD") == []


def test_process_is_not_root_and_gets_its_signals() -> None:
    _, final = stages()
    (user,) = of(final, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    (command,) = of(final, "CMD")
    assert json.loads(command) == ["callbridge", "serve"]
    assert [word for word, _ in final].index("USER") > [word for word, _ in final].index("RUN")
    assert of(final, "ENTRYPOINT") == []


def test_state_is_kept_where_the_user_may_write() -> None:
    _, final = stages()
    (user,), (steps,) = of(final, "USER"), of(final, "RUN")
    (variables,) = of(final, "ENV")
    state_path = Path(dict(pair.split("=", 1) for pair in variables.split())["CALLBRIDGE_STATE_PATH"])
    owner, group = user.split(":")
    made = re.search(r"install --directory --owner=(\d+) --group=(\d+) --mode=0700 (\S+)$", steps)
    assert made is not None
    assert made.groups() == (owner, group, str(state_path.parent))


def test_image_contains_no_secret_and_no_address() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "://" not in text
    assert not re.search(r"API_KEY|AUTH_TOKEN|index-url", text)


def test_builder_gets_only_what_the_image_is_made_of() -> None:
    """All is shut out but the package's own files, so no .env can slip in."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {word for stage in stages() for rest in of(stage, "COPY") for word in rest.split()[:-1]}
    needed = {name.removesuffix("/") for name in copied if not name.startswith(("-", "/"))}
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == needed
    assert "**/.env" in rules


@pytest.fixture(scope="module")
def fly() -> dict[str, Any]:
    return tomllib.loads((ROOT / "fly.toml").read_text())


def test_fly_keeps_a_machine_of_its_own_for_calls(fly: dict[str, Any]) -> None:
    """None is stopped by itself, shared, or killed before it had the most time that there is. Routing follows
    /readyz on the port that the service listens on.
    """
    service = fly["http_service"]
    assert (fly["kill_signal"], fly["kill_timeout"]) == ("SIGTERM", 300)
    assert (service["auto_stop_machines"], service["min_machines_running"]) == ("off", 1)
    assert fly["restart"] == [{"policy": "always"}]
    assert fly["vm"][0]["size"].startswith("performance-")
    assert (service["internal_port"], service["force_https"]) == (Settings.model_fields["port"].default, True)
    (check,) = service["checks"]
    assert (check["method"], check["path"]) == ("GET", "/readyz")


def test_fly_waits_for_the_whole_drain(fly: dict[str, Any]) -> None:
    """All bounds of a stop, one after the other, end half a minute before the process is killed."""
    drain_s = int(fly["env"]["CALLBRIDGE_DRAIN_SECONDS"])
    after_it_s = HAND_OVER_S + ACTION_S + HANDLERS_END_S
    assert after_it_s <= 30
    assert drain_s + after_it_s <= fly["kill_timeout"] - 30
    assert Settings.model_fields["drain_seconds"].default == drain_s


def test_fly_deploys_in_a_way_that_its_storage_allows(fly: dict[str, Any]) -> None:
    """Fly refuses bluegreen with a volume; without it, the new machine is there before the old one goes."""
    assert fly["deploy"]["strategy"] == ("rolling" if "mounts" in fly else "bluegreen")


def test_fly_counts_calls_as_connections(fly: dict[str, Any]) -> None:
    """Load is the number of held sockets; webhooks and checks get through however many calls there are."""
    concurrency = fly["http_service"]["concurrency"]
    calls_max = int(fly["env"]["CALLBRIDGE_CALLS_MAX"])
    assert concurrency["type"] == "connections"
    assert concurrency["soft_limit"] == calls_max == Settings.model_fields["calls_max"].default
    assert concurrency["hard_limit"] >= 1.5 * calls_max


def test_fly_file_holds_no_secret(fly: dict[str, Any]) -> None:
    assert set(fly["env"]) == {"PUBLIC_BASE_URL", "CALLBRIDGE_CALLS_MAX", "CALLBRIDGE_DRAIN_SECONDS"}
    assert fly["env"]["PUBLIC_BASE_URL"] == f"https://{fly['app']}.fly.dev"


def test_fly_for_several_machines() -> None:
    """Two lines without their # make it so: the tables are made before the release, the state is shared."""
    text = (ROOT / "fly.toml").read_text()
    several = tomllib.loads(re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE))
    assert several["deploy"]["release_command"] == "callbridge migrate"
    assert several["env"]["CALLBRIDGE_SHARED_STATE"] == "database"
    assert "mounts" not in several


def test_every_line_of_fly_has_its_reason() -> None:
    lines = (ROOT / "fly.toml").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?\w+ = ", line):
            assert lines[number - 1].startswith("# "), line
        assert len(line) <= 120, line


# --- Compose ----------------------------------------------------------------------------------------

SHARED = {"DATABASE_URL", "CALLBRIDGE_SHARED_STATE", "CALLBRIDGE_CONTROL_KEY", "CALLBRIDGE_CONTROL_HOST"}
"""What processes of several machines are given besides what one is."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "compose.yaml").read_text())
    return loaded


@functools.cache
def compose_schema() -> Any:
    """That of the Compose specification, as check-jsonschema has it."""
    pytest.importorskip("check_jsonschema")
    schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    return json.loads((schemas / "compose-spec.json").read_text(encoding="utf-8"))


def test_compose_keeps_the_specification(compose: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    checks = jsonschema.Draft202012Validator(compose_schema())
    assert [error.message for error in checks.iter_errors(compose)] == []
    misspelt = {**compose, "services": {"proxy": {"imagge": "haproxy"}}}
    assert not checks.is_valid(misspelt)


def test_compose_names_what_it_has(compose: dict[str, Any]) -> None:
    """The specification's schema looks at each place alone: names must lead somewhere, too."""
    volumes = set()
    for service in compose["services"].values():
        assert set(service.get("depends_on", ())) <= set(compose["services"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert {config["source"] for config in service.get("configs", ())} <= set(compose["configs"])
        volumes |= {volume.split(":")[0] for volume in service.get("volumes", ())}
    assert volumes == set(compose["volumes"])
    for source in compose["configs"].values():
        assert (ROOT / "examples" / source.get("file", "")).exists(), source


def test_compose_has_two_services_with_one_state(compose: dict[str, Any]) -> None:
    """They differ in their journal alone; none is killed while it drains; their tables are there first."""
    first, second = (compose["services"][f"callbridge-{number}"] for number in (1, 2))
    assert first["volumes"] != second["volumes"]
    assert {**first, "volumes": ()} == {**second, "volumes": ()}
    settings = first["environment"]
    assert SHARED <= set(settings) <= set(VARIABLES)
    assert settings["CALLBRIDGE_SHARED_STATE"] == "database"
    assert first["stop_grace_period"] == "5m"
    drain_s = int(settings["CALLBRIDGE_DRAIN_SECONDS"])
    assert drain_s + HAND_OVER_S + ACTION_S + HANDLERS_END_S <= 300 - 30
    assert first["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert compose["services"]["migrate"]["environment"] == settings


def test_compose_publishes_the_number_alone(compose: dict[str, Any]) -> None:
    """All else that listens is reached on this machine only, and no secret stands in the file."""
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    public = {name for name, own in ports.items() if any(not port.startswith("127.0.0.1:") for port in own)}
    assert public == {"proxy"}
    text = (ROOT / "examples" / "compose.yaml").read_text()
    for name in ("OPENAI_API_KEY", "TWILIO_AUTH_TOKEN", "CALLBRIDGE_CONTROL_KEY"):
        assert f"{name}: ${{{name}:?}}" in text
    assert all(len(line) <= 120 for line in text.splitlines())


# --- Kubernetes -------------------------------------------------------------------------------------

KUBERNETES = ("1.30", "1.37")
"""The oldest version that the manifest is for, and the newest that was looked at."""


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """Its objects by kind."""
    loaded = yaml.safe_load_all((ROOT / "examples" / "kubernetes.yaml").read_text())
    return {found["kind"]: found for found in loaded}


@pytest.mark.parametrize("version", KUBERNETES)
def test_manifest_keeps_the_schemas(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for found in manifest.values():
        kubernetes_validate.validate(found, version, strict=True)
    misspelt = {**manifest["Deployment"], "spec": {**manifest["Deployment"]["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, version, strict=True)


def test_manifest_lets_every_call_end(manifest: dict[str, Any]) -> None:
    """A pod is granted its drain with all that stands around it, and none leaves before another came."""
    deployment = manifest["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    granted_s = pod["terminationGracePeriodSeconds"] - container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = int(manifest["ConfigMap"]["data"]["CALLBRIDGE_DRAIN_SECONDS"])
    assert granted_s == 3590
    assert drain_s + HAND_OVER_S + ACTION_S + HANDLERS_END_S <= granted_s - 20
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    ready = container["readinessProbe"]
    unready_s = ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"]
    assert unready_s < container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert (ready["httpGet"]["path"], container["livenessProbe"]["httpGet"]["path"]) == (
        "/readyz",
        "/healthz",
    )


def test_manifest_fits_together(manifest: dict[str, Any]) -> None:
    """Names and labels lead where they should, and the settings are ours."""
    deployment = manifest["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels == manifest["Service"]["spec"]["selector"]
    assert manifest["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert manifest["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    scaler = manifest["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == "callbridge"
    counted = scaler["metrics"][0]["pods"]["metric"]["name"]
    assert f"`{counted}`" in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    given = {*manifest["Secret"]["stringData"], *manifest["ConfigMap"]["data"]}
    assert SHARED <= given <= set(VARIABLES)
    images = {
        container["image"]
        for kind in ("Job", "Deployment")
        for container in manifest[kind]["spec"]["template"]["spec"]["containers"]
    }
    assert len(images) == 1
    ports = {
        port["name"]: port["containerPort"]
        for port in deployment["template"]["spec"]["containers"][0]["ports"]
    }
    assert ports == {
        "calls": Settings.model_fields["port"].default,
        "control": Settings.model_fields["control_port"].default,
    }


def test_manifest_lets_twilio_in_and_nobody_else(manifest: dict[str, Any]) -> None:
    """The paths of README, over TLS, for the address that Twilio is told."""
    (rule,) = manifest["Ingress"]["spec"]["rules"]
    assert {path["path"] for path in rule["http"]["paths"]} == {"/twilio/", "/media-stream"}
    (tls,) = manifest["Ingress"]["spec"]["tls"]
    assert tls["hosts"] == [rule["host"]]
    assert manifest["ConfigMap"]["data"]["PUBLIC_BASE_URL"] == f"https://{rule['host']}"

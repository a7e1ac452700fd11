"""The loader of botocore's data files returns what botocore's own returns."""

import os
import shutil
from pathlib import Path

import pytest
from botocore import loaders
from botocore.exceptions import DataNotFoundError

from docker_credential_ecr_login.aws.models import create_loader

SERVICES = ("ecr", "ecr-public", "sso", "sso-oidc", "sts")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("type_name", ["service-2", "endpoint-rule-set-1"])
def test_models_are_those_of_botocore(service: str, type_name: str) -> None:
    """The models of the services that are called are those that botocore finds."""
    model = create_loader(None).load_service_model(service, type_name)
    assert model == loaders.create_loader(None).load_service_model(service, type_name)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "sdk-default-configuration", "_retry"])
def test_data_is_that_of_botocore(name: str) -> None:
    """Data other than models also comes from botocore's files."""
    loader, original = create_loader(None), loaders.create_loader(None)
    data, path = loader.load_data_with_path(name)
    assert (data, path) == original.load_data_with_path(name)
    assert loader.is_builtin_path(path)


def test_data_path_comes_first(tmp_path: Path) -> None:
    """A model in AWS_DATA_PATH wins over botocore's own."""
    _, path = loaders.create_loader(None).load_data_with_path("endpoints")
    (tmp_path / "endpoints.json").write_text('{"partitions": []}')
    assert create_loader(str(tmp_path)).load_data("endpoints") == {"partitions": []}
    model = tmp_path / "ecr" / "2099-01-01"
    shutil.copytree(Path(path).parent / "ecr" / "2015-09-21", model)
    loader = create_loader(f"/nonexistent{os.pathsep}{tmp_path}")
    assert loader.determine_latest_version("ecr", "service-2") == "2099-01-01"


def test_what_does_not_exist_is_not_found() -> None:
    """A missing service, model or file raises what botocore raises."""
    loader = create_loader(None)
    for service, type_name in [("no-service", "service-2"), ("ecr", "no-type")]:
        with pytest.raises(DataNotFoundError):
            loader.load_service_model(service, type_name)
    with pytest.raises(DataNotFoundError):
        loader.load_data("no-data")


def test_other_services_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the directories of the data and of the service are read."""
    listed = set()
    original = os.listdir

    def listdir(path: str) -> list[str]:
        listed.add(Path(path).name)
        return original(path)

    monkeypatch.setattr(os, "listdir", listdir)
    create_loader(None).load_service_model("ecr", "service-2")
    assert listed <= {"data", "models", "ecr"}

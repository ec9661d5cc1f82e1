"""The public endpoint, called as a program would."""

import base64
import re
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from analysis.view.shared.engine import Engine
from analysis.view.shared.settings import Settings
from analysis.view.tokenize.picker import example_files
from tatok import TaTok
from tatok.images import to_pil

ASSETS = Path(__file__).parents[2] / "assets"
PICTURE = example_files(ASSETS / "examples")[0]


def call(client, picture=PICTURE, **changes):
    values = {"epsilon": 0.2, "k": 8, "estimator": "gaussian", "policy": "dtf"} | changes
    return client.predict(handle_file(str(picture)), **values, api_name="/tokenize")


def test_only_what_is_meant_to_be_is_public(client):
    generator = (ASSETS / "demo" / "generator.json").exists()
    expected = {"/tokenize", "/select", "/decode", "/experiment"} | (
        {"/generate"} if generator else set()
    )
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == expected


@pytest.mark.parametrize("policy", ["dtf", "random"])
def test_same_numbers_as_python(client, policy):
    engine = Engine(TaTok.from_pretrained(ASSETS / "anygrid"))
    settings = Settings(0.2, 8, "gaussian", policy)
    result = engine.tokenize(engine.square(str(PICTURE), None), settings)
    path, numbers = call(client, policy=policy)
    expected = asdict(result.statistics)
    assert numbers.keys() == expected.keys()
    for name, value in expected.items():
        exact = isinstance(value, str | int)
        assert numbers[name] == (value if exact else pytest.approx(value, rel=1e-4)), name
    difference = np.abs(
        np.asarray(Image.open(path).convert("RGB"), int) - np.asarray(to_pil(result.image), int)
    )
    assert difference.max() <= 1


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"epsilon": 1.0}, "ε must lie in [0, 1)."),
        ({"epsilon": -0.1}, "ε must lie in [0, 1)."),
        ({"k": 999}, "k must be a whole number"),
        ({"k": 2.5}, "k must be a whole number"),
        ({"estimator": "oracle"}, "The estimator must be one of"),
        ({"policy": "best"}, "The policy must be one of"),
        ({"side": 100}, "side"),
        ({"target_psnr": 500}, "target"),
    ],
)
def test_out_of_range_is_one_sentence(client, changes, sentence):
    with pytest.raises(AppError) as caught:
        call(client, **changes)
    assert sentence in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_selected_tokens_decode_to_what_tokenize_shows(client, tmp_path):
    engine = Engine(TaTok.from_pretrained(ASSETS / "anygrid"))
    values = {"epsilon": 0.3, "side": 128}
    told = client.predict(handle_file(str(PICTURE)), **values, api_name="/select")
    config = engine.model.config
    settings = Settings(0.3, config.k, config.estimator, "dtf", side=128)
    square = engine.square(str(PICTURE), None, 128)
    selection = engine.select(square, settings)
    assert told["keep"] == selection.keep[0].nonzero()[:, 0].tolist()
    assert told["entropy"] == pytest.approx(selection.entropy[0].tolist(), rel=1e-4, abs=1e-6)
    assert (told["kept"], told["grid"], len(told["patch_codes"])) == (len(told["keep"]), 16, 256)
    (tmp_path / "photo.tatok").write_bytes(base64.b64decode(told["tatok"]))
    path, numbers = client.predict(handle_file(str(tmp_path / "photo.tatok")), api_name="/decode")
    wanted = {"side": 128, "k": config.k, "kept": told["kept"], "bits": told["bits"]}
    assert numbers == wanted
    expected = np.asarray(to_pil(engine.tokenize(square, settings).image), int)
    with Image.open(path) as made:
        assert np.abs(np.asarray(made.convert("RGB"), int) - expected).max() <= 1


def test_each_answer_has_a_file_of_its_own(server, client, tmp_path):
    """Gradio writes a file again for the next who is given the same: then another may read it."""
    told = client.predict(handle_file(str(PICTURE)), side=64, api_name="/select")
    (tmp_path / "photo.tatok").write_bytes(base64.b64decode(told["tatok"]))
    bare = Client(server, verbose=False, download_files=False)
    calls = {
        "/tokenize": lambda: bare.predict(handle_file(str(PICTURE)), side=64, api_name="/tokenize"),
        "/decode": lambda: bare.predict(
            handle_file(str(tmp_path / "photo.tatok")), api_name="/decode"
        ),
        "/generate": lambda: [bare.predict(steps=1, api_name="/generate")[0][0]["image"]],
    }
    for name, asked in calls.items():
        first, second = (asked()[0]["path"] for _ in range(2))
        assert first != second, name


@pytest.mark.parametrize("data", [b"", b"nothing", bytes(100_000)])
def test_what_is_no_token_file_is_one_sentence(client, tmp_path, data):
    (tmp_path / "bad.tatok").write_bytes(data)
    with pytest.raises(AppError, match="not a .tatok file"):
        client.predict(handle_file(str(tmp_path / "bad.tatok")), api_name="/decode")


def test_a_file_of_the_server_is_refused(client):
    named = {"path": str(PICTURE.resolve())}  # unmarked: the client sends it as it is
    with pytest.raises(AppError, match="has to be uploaded"):
        client.predict(named, 0.2, 8, "rate", "dtf", api_name="/tokenize")
    with pytest.raises(AppError):  # Gradio's own check of a file is before ours
        client.predict(named, api_name="/decode")


def test_a_damaged_picture_is_one_sentence_and_the_app_goes_on(client, tmp_path):
    bad = tmp_path / "damaged.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    with pytest.raises(AppError, match="damaged.png"):
        call(client, bad)
    assert call(client)[1]["k"] == 8


def test_the_example_in_the_readme_runs(server, client, tmp_path, monkeypatch):
    text = (ASSETS.parent / "README.md").read_text()
    (block,) = re.findall(r"```python\n(from gradio_client.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Image.open(PICTURE).convert("RGB").save("photo.jpg")
    told = client.predict(handle_file("photo.jpg"), side=128, api_name="/select")
    Path("photo.tatok").write_bytes(base64.b64decode(told["tatok"]))
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for picture in example_files(ASSETS / "examples")[:2]:
            archive.write(picture, picture.name)
    exec(block.replace("http://127.0.0.1:7860", server), {})  # README's own lines

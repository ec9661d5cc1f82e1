"""`--mcp`: the endpoints as tools, called by the client of the package mcp."""

import ast
import asyncio
import base64
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
import pytest
from conftest import pictures, random_generator, random_model
from PIL import Image

import app
from analysis.view import models
from analysis.view.shared.engine import Engine, Square
from analysis.view.shared.settings import Settings
from tatok import TaTok
from tatok.images import to_pil, to_tensor

mcp = pytest.importorskip("mcp", reason='mcp is not installed: pip install "gradio[mcp]"')


def png(x) -> bytes:
    stream = io.BytesIO()
    to_pil(x).save(stream, "PNG")
    return stream.getvalue()


def sent(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


X = pictures(2)
PICTURE = sent(png(X[0]), "image/png")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with a tiny model and its generator."""
    folder = tmp_path_factory.mktemp("weights")
    model = random_model()
    model.save_pretrained(folder)
    random_generator(model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def server(weights, tmp_path_factory):
    """The address of the MCP server of their page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        named = models.shelf(weights)
        demo, _ = app.build(weights.name, named, models.loaded(named), weights)
        _, url, _ = demo.launch(mcp_server=True, prevent_thread_lock=True, quiet=True)
        yield f"{url}gradio_api/mcp/"
        demo.close()


@asynccontextmanager
async def session(url):
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(url) as (read, write, _),
        mcp.ClientSession(read, write) as opened,
    ):
        await opened.initialize()
        yield opened


def finished(coroutine):
    """Its result; in a thread of its own, since browser tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def call(url: str, tool: str, **arguments) -> tuple[bool, list]:
    """Whether it failed, and the parts of the answer: pictures, and text as Python reads it."""

    async def ask():
        async with session(url) as opened:
            return await opened.call_tool(tool, arguments, progress_callback=ignore)

    answer = finished(ask())
    return answer.isError, [
        part.data if part.type == "image" else part.text for part in answer.content
    ]


async def ignore(*_) -> None:
    """Whoever wants progress gets pictures as pictures, not as an address."""


def test_every_endpoint_is_a_tool_whose_parameters_are_described(server):
    async def ask():
        async with session(server) as opened:
            return (await opened.list_tools()).tools

    tools = {tool.name: tool.inputSchema["properties"] for tool in finished(ask())}
    assert set(tools) == {"tokenize", "select", "decode", "generate", "experiment"}
    for name, properties in tools.items():
        assert all(told["description"] for told in properties.values()), name
    assert "0 to 6" in tools["tokenize"]["k"]["description"]
    assert "gain" in tools["select"]["estimator"]["description"]


def test_tools_say_what_python_says(server, weights):
    engine = Engine(TaTok.from_pretrained(weights))
    settings = Settings(0.3, 4, engine.model.config.estimator, "dtf")
    expected = engine.tokenize(Square.of(to_tensor(to_pil(X[0]))), settings)
    failed, (image, _, told) = call(server, "tokenize", picture=PICTURE, epsilon=0.3)
    assert not failed and ast.literal_eval(told)["kept"] == expected.statistics.kept
    with Image.open(io.BytesIO(base64.b64decode(image))) as opened:
        made = np.asarray(opened.convert("RGB"), int)
    assert np.abs(made - np.asarray(to_pil(expected.image), int)).max() <= 1

    _, (told,) = call(server, "select", picture=PICTURE, epsilon=0.3)
    selected = ast.literal_eval(told)
    assert selected["keep"] == expected.selection.keep[0].nonzero()[:, 0].tolist()
    file = f"data:application/octet-stream;base64,{selected['tatok']}"
    failed, (again, _, told) = call(server, "decode", tokens=file)
    assert not failed and ast.literal_eval(told)["bits"] == expected.statistics.bits
    assert again == image


def test_a_drawing_and_an_experiment(server):
    failed, (_, told) = call(server, "generate", steps=2, pictures=2, seed=5)
    assert not failed and [each["seed"] for each in ast.literal_eval(told)] == [5, 6]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i, x in enumerate(X):
            archive.writestr(f"{i}.png", png(x))
    zipped = sent(stream.getvalue(), "application/zip")
    failed, (told,) = call(server, "experiment", pictures=zipped, name="fig4")
    measured = ast.literal_eval(told)
    assert not failed and measured["experiment"]["provenance"]["data"]["n"] == 2


@pytest.mark.parametrize(
    "tool, arguments, sentence",
    [
        ("tokenize", {"picture": PICTURE, "k": 999}, "k must be a whole number in 0..6."),
        ("select", {"picture": sent(b"Hello", "image/png")}, "is not recognised"),
        ("select", {"picture": "/etc/passwd"}, "provide a url"),
        ("decode", {"tokens": sent(b"Hello", "application/octet-stream")}, "not a .tatok file"),
        ("generate", {"steps": 33}, "Steps must be a whole number in 1..32."),
        ("experiment", {"pictures": PICTURE}, "needs 2 pictures or more"),
    ],
)
def test_what_is_refused_is_one_sentence(server, tool, arguments, sentence):
    failed, (told,) = call(server, tool, **arguments)
    assert failed and sentence in told and "Traceback" not in told

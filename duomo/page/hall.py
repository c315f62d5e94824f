"""Hall: the page's tabs as one Gradio application that loads nothing from elsewhere and tells nobody of itself."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from duomo.page import TABS, Tab
from duomo.page.front import Front
from duomo.page.jobs import Jobs
from duomo.page.words import mark

FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
AT_ONCE, WAITING = 8, 64  # of one function: how often it runs at once; of all together, how many may wait


def hall(jobs: Jobs, tabs: Sequence[Tab] = TABS, upload_bytes: int = 32 * 2**20) -> Front:
    """The page. Raises ValueError where Gradio is not installed."""
    quiet(jobs.folder)
    try:
        import gradio as gr
        from fastapi import FastAPI
    except ImportError as error:
        raise ValueError(f"the page needs {error.name}: pip install 'duomo[page]'") from error
    blocks = built(jobs, tabs)
    outer = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        outer, blocks, "/", footer_links=[], run_history=False, show_error=False, max_file_size=upload_bytes, ssr_mode=False,
        enable_monitoring=False, pwa=False, mcp_server=False, theme=theme(), css=style(),
    )  # fmt: skip
    (mounted,) = (route for route in outer.routes if hasattr(route, "app") and isinstance(route.app, gr.routes.App))
    return Front(mounted.app, blocks, jobs.folder, jobs.logout)


def built(jobs: Jobs, tabs: Sequence[Tab]) -> Any:
    """All tabs that have what they want."""
    import gradio as gr

    with gr.Blocks(title="Duomo", analytics_enabled=False, fill_width=False) as blocks:
        with gr.Tabs():
            for tab in (one for one in tabs if not one.wants or one.wants in jobs.more):
                with gr.Tab(mark(tab.title), id=tab.name):
                    tab.build(jobs)
    blocks.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING, api_open=False)
    return blocks


def quiet(folder: Path) -> None:
    """Tells Gradio and its libraries, which know no other way, to report nothing, and to keep files in this folder alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder),
        "GRADIO_EXAMPLES_CACHE": str(folder / "examples"),
        "GRADIO_MCP_SERVER": "False",
        "GRADIO_RUN_HISTORY": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def theme() -> Any:
    """Fonts of the reader's own machine; everything else is Gradio's."""
    import gradio as gr

    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=list(FONTS), font_mono=list(MONO))


def style() -> str:
    """The page's own style."""
    return resources.files("duomo.page").joinpath("page.css").read_text(encoding="utf-8")

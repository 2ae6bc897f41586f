"""The tools as a server of the Model Context Protocol, over stdio or streamable HTTP."""

import base64
import contextlib
import json
import logging
import socket
from typing import Any

import anyio
import mcp.types as types
import uvicorn
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from anode import __version__
from anode.assistant import resources
from anode.assistant.settings import McpConfig
from anode.assistant.toolbox.jobs import RUNNING
from anode.assistant.toolbox.toolbox import POLL, Begun, Toolbox, reason
from anode.assistant.toolbox.tools import TOOLS
from anode.errors import AnodeError
from anode.records import Json

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any]
INSTRUCTIONS = (
    "Searches collider events for resonances. Masses are in GeV; paths lie below the root. Tools "
    "return facts read from files; labels of the events are neither read nor reported unless an "
    "argument asks for them. Long tools report progress; wait=false answers at once, and "
    "job_status follows."
)


def serve_tools(config: McpConfig) -> None:
    """Serve until the client leaves, or SIGTERM or Ctrl-C.

    Raises:
        ConfigError: root is no folder.
        OSError: the address is in use.
    """
    server = make_server(Toolbox(config.root))
    if config.transport == "stdio":
        anyio.run(_over_stdio, server)
        return
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((config.host, config.port))
        except OSError as error:
            error.filename = f"{config.host}:{config.port}"
            raise
        app = server.streamable_http_app(host=config.host)
        settings = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=2, server_header=False
        )
        log.info("tools at http://%s:%d/mcp", *listening.getsockname()[:2])
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(settings).run([listening])


async def _over_stdio(server: Server[Any]) -> None:
    async with stdio_server() as (receive, send):
        await server.run(receive, send, server.create_initialization_options())


def make_server(toolbox: Toolbox) -> Server[Any]:
    """The server of a toolbox, for any transport."""
    handlers = _Handlers(toolbox)
    return Server(
        "anode",
        version=__version__,
        title="anode",
        instructions=INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
    )


class _Handlers:
    """What the server answers."""

    def __init__(self, toolbox: Toolbox) -> None:
        self.toolbox, self.workspace = toolbox, toolbox.workspace

    async def list_tools(
        self, context: Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=name,
                    description=tool.summary,
                    input_schema=tool.input_schema,
                    output_schema=tool.output_schema,
                    annotations=types.ToolAnnotations(
                        read_only_hint=not tool.writes, open_world_hint=False
                    ),
                )
                for name, tool in TOOLS.items()
            ]
        )

    async def call_tool(
        self, context: Context, asked: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """An error of ours is one of the tool, in a line; of others the kind alone is said."""
        try:
            begun = self.toolbox.begin(asked.name, asked.arguments or {})
            result = begun if not isinstance(begun, Begun) else await self._finish(context, begun)
        except Exception as error:
            if not isinstance(error, AnodeError):
                log.exception("tool %s", asked.name)
            text = types.TextContent(type="text", text=reason(error))
            return types.CallToolResult(content=[text], is_error=True)
        text = types.TextContent(type="text", text=json.dumps(result))
        content = result if isinstance(result, dict) else None
        return types.CallToolResult(content=[text], structured_content=content)

    async def _finish(self, context: Context, begun: Begun) -> Json:
        """Wait for a job and report its progress; a client that cancels ends the job."""
        jobs, last = self.toolbox.jobs, ""
        try:
            while begun.wait and (state := jobs.state(begun.job)).state == RUNNING:
                if state.message != last:
                    last = state.message
                    await context.session.report_progress(state.progress or 0.0, 1.0, last)
                await anyio.sleep(POLL)
            return await anyio.to_thread.run_sync(self.toolbox.result, begun)
        except BaseException as error:
            if not isinstance(error, AnodeError):
                jobs.cancel(begun.job)
            raise

    async def list_resources(
        self, context: Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        found = [
            types.Resource(uri=uri, name=uri.removeprefix("anode://"), mime_type=_type_of(uri))
            for uri in resources.addresses(self.workspace)
        ]
        return types.ListResourcesResult(resources=found)

    async def list_templates(
        self, context: Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        found = [
            types.ResourceTemplate(
                uri_template=f"anode://{kind}/{{+folder}}" + "/{name}" * (kind == "figure"),
                name=kind,
                description=meaning,
                mime_type=media_type,
            )
            for kind, (media_type, meaning) in resources.KINDS.items()
        ]
        return types.ListResourceTemplatesResult(resource_templates=found)

    async def read_resource(
        self, context: Context, asked: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(asked.uri)
        try:
            found = resources.read(self.workspace, uri)
        except AnodeError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None
        content: types.TextResourceContents | types.BlobResourceContents
        if isinstance(found.content, str):
            content = types.TextResourceContents(
                uri=uri, mime_type=found.media_type, text=found.content
            )
        else:
            blob = base64.b64encode(found.content).decode()
            content = types.BlobResourceContents(uri=uri, mime_type=found.media_type, blob=blob)
        return types.ReadResourceResult(contents=[content])

    async def list_prompts(
        self, context: Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        subject = types.PromptArgument(
            name="subject", description="file, or folder of a search", required=True
        )
        return types.ListPromptsResult(
            prompts=[
                types.Prompt(name=name, description=meaning, arguments=[subject])
                for name, (meaning, _) in resources.PROMPTS.items()
            ]
        )

    async def get_prompt(
        self, context: Context, asked: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        subject = (asked.arguments or {}).get("subject", "the file that the user names")
        try:
            text = resources.prompt(asked.name, subject)
        except AnodeError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None
        message = types.PromptMessage(
            role="user", content=types.TextContent(type="text", text=text)
        )
        return types.GetPromptResult(messages=[message])


def _type_of(uri: str) -> str:
    return resources.KINDS[uri.removeprefix("anode://").partition("/")[0]][0]

"""The command line: ``classroom serve``, ``classroom capture``, ``classroom account`` and the others.

A command imports what it runs itself: `classroom token` need not load a media server.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
import uvloop

from classroom.account_commands import app as account_commands
from classroom.config import load_settings, parse_duration_s
from classroom.model import ClassroomError, InvalidLessonId, Role, parse_lesson_id
from classroom.web.auth import RIGHTS, issue_operator_token, issue_token, new_claims
from classroom.web.secret import STATE, secret_of

T = TypeVar("T")

app = typer.Typer(
    name="classroom",
    help="联体课堂：一节课，多间教室。 Lianti Classroom: one lesson, many classrooms.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

catalogue_commands = typer.Typer(help="课程与录像目录。 The catalogue of lessons and recordings.", no_args_is_help=True)
app.add_typer(catalogue_commands, name="catalogue")
app.add_typer(account_commands, name="account")

region_commands = typer.Typer(help="学校、人员、课表。 Schools, people, timetable.", no_args_is_help=True)
app.add_typer(region_commands, name="region")

Recordings = Annotated[Path | None, typer.Option(metavar="DIR", help="数据目录 Data directory [recordings]")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML 配置文件 Settings file [./classroom.toml]")]
Lesson = Annotated[str, typer.Option(metavar="ID", help="课程编号 Lesson id")]
Source = Annotated[
    str | None, typer.Option(metavar="SRC", help="文件、设备号、rtsp://… 或 sample  File, device, rtsp://… or sample")
]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="网页监听地址 Address of pages and API [0.0.0.0]")] = None,
    port: Annotated[int | None, typer.Option(help="网页端口 Port of pages and API, TCP [8080]")] = None,
    tls: Annotated[
        str | None, typer.Option(metavar="CERT,KEY", help="证书和密钥，启用 https  Certificate and key: serve https")
    ] = None,
    media_port: Annotated[int | None, typer.Option(help="首个媒体端口 First media port, UDP [8189]")] = None,
    media_tcp: Annotated[bool | None, typer.Option(help="也接受 TCP 媒体 Media over TCP, too [yes]")] = None,
    media_tcp_port: Annotated[int | None, typer.Option(help="首个 TCP 媒体端口 First of them [as UDP]")] = None,
    media_address: Annotated[
        list[str] | None,
        typer.Option(metavar="IP", help="告知终端的地址，可重复 Address announced to peers; may be repeated"),
    ] = None,
    recordings: Recordings = None,
    workers: Annotated[int | None, typer.Option(help="媒体进程数 SFU processes [one a core, two at least]")] = None,
    config: Config = None,
) -> None:
    """运行服务器：网页、接口、媒体、录制。 Run the server: pages, API, media, recording."""
    from classroom.serving import serve as run_server

    settings = load_settings(
        config,
        host=host,
        port=port,
        tls=tls,
        media_port=media_port,
        media_tcp=media_tcp,
        media_tcp_port=media_tcp_port,
        media_address=tuple(media_address) if media_address else None,
        recordings=recordings,
        workers=workers,
    )
    _log_to_stderr()
    _run(run_server(settings, _say))


@app.command()
def tls(
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|IP", help="还要写入证书的域名或地址，可重复 Further names; may be repeated"),
    ] = None,
    new_ca: Annotated[bool, typer.Option("--new-ca", help="重新制作 CA  Make the authority anew")] = False,
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """用本机的 CA 制作 https 证书。 Make a certificate for https with an authority of this machine."""
    from classroom.sfu.transport.ports import local_addresses
    from classroom.web.local_ca import machine_names, make_certificate

    settings = load_settings(config, recordings=recordings)
    names = [*(name or []), *machine_names(local_addresses("0.0.0.0"))]
    made = make_certificate(settings.recordings / STATE, names, new_ca=new_ca)
    _say(
        f"证书 Certificate   {made.certificate}\n"
        f"名称 Names         {', '.join(made.names)}\n"
        f"CA 指纹 SHA-256    {made.fingerprint}\n"
        f"启动 Start         classroom serve --tls {made.certificate},{made.key}\n"
        "各终端打开 /trust，核对指纹后安装证书。 On each terminal open /trust, compare the fingerprint, install."
    )


@app.command(hidden=True)
def worker(channel: Annotated[int, typer.Argument(help="文件描述符 File descriptor of its channel")]) -> None:
    """媒体进程，由 serve 启动。 A media worker; `serve` starts it."""
    from classroom.worker import run_worker

    _log_to_stderr()
    _run(run_worker(channel))


@app.command()
def token(
    lesson: Lesson,
    role: Annotated[Role, typer.Option(help="teacher, capture, classroom, observer")],
    ttl: Annotated[str, typer.Option(help="有效期，如 2h、90m、1d  Valid for so long")] = "2h",
    name: Annotated[str, typer.Option(help="显示名称 Name shown to others")] = "",
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """签发令牌，标准输出只有令牌本身。 Issue a bearer token; standard output is the token and nothing else."""
    if role not in RIGHTS:
        allowed = "、".join(RIGHTS)
        _fail(
            f"角色 {role} 没有令牌，可用：{allowed}。 There are no tokens for the role {role}; use {', '.join(RIGHTS)}."
        )
    settings = load_settings(config, recordings=recordings)
    claims = new_claims(parse_lesson_id(lesson), role, parse_duration_s(ttl), name, time.time())
    _say(issue_token(secret_of(settings), claims))


@app.command()
def capture(
    lesson: Annotated[
        str | None, typer.Option(metavar="ID", help="课程编号；不给则按课表 Lesson id [as the timetable says]")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="CLASSROOM_TOKEN", show_envvar=True, help="这节课的令牌 Bearer token of that lesson"),
    ] = None,
    server: Annotated[
        str, typer.Option(metavar="URL", help="服务器地址 Address of the server")
    ] = "http://localhost:8080",
    camera: Source = None,
    slides: Source = None,
    mic: Source = None,
    loop: Annotated[bool, typer.Option("--loop", help="文件循环播放 Play files again and again")] = False,
    layers: Annotated[
        int,
        typer.Option(
            min=1, max=3, help="摄像机画面分几层发送，课件至多 2 层 Layers of the camera; slides have up to 2"
        ),
    ] = 3,
    copy: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|off", help="本机副本的目录 Where a copy of the lesson is kept [~/.local/share/lianti/copies]"
        ),
    ] = None,
    copy_size: Annotated[str, typer.Option(metavar="SIZE", help="全部副本的上限 Limit of all copies")] = "20GB",
    upload: Annotated[
        str, typer.Option(metavar="idle|now|HH:MM-HH:MM", help="何时补传缺失的内容 When missing parts are delivered")
    ] = "idle",
    upload_rate: Annotated[
        str | None, typer.Option(metavar="RATE", help="补传限速，如 4M  Limit of a delivery, bit/s [none]")
    ] = None,
    pair: Annotated[
        bool, typer.Option("--pair", help="与服务器配对，只需一次 Pair this computer with the server, once")
    ] = False,
    name: Annotated[str, typer.Option(help="配对时显示的名称 Its name, for --pair [that of the computer]")] = "",
) -> None:
    """采集端：发送摄像机、课件和话筒。 The capture agent: send camera, slides and microphone."""
    from classroom.capture.agent import CaptureSettings, run_agent
    from classroom.capture.copy.settings import copy_settings
    from classroom.capture.device.credential import CredentialFile
    from classroom.capture.device.follow import run_device
    from classroom.capture.device.pairing import pair as pair_device

    _log_to_stderr()
    if pair:
        try:
            _run(pair_device(server, name, CredentialFile(), _say))
        except KeyboardInterrupt:
            raise typer.Exit(1) from None
        return
    if (lesson is None) != (token is None):
        _fail(
            "--lesson 和 --token 要么都给，要么都不给（已配对的采集端按课表上课）。 "
            "Give both --lesson and --token, or neither: a paired agent goes by the timetable."
        )
    kept = copy_settings(copy, copy_size, upload, upload_rate)
    settings = CaptureSettings(server, lesson, token, camera, slides, mic, loop, layers, kept)
    work = run_agent(settings) if lesson is not None else run_device(settings, CredentialFile().get(server))
    raise typer.Exit(_run(work))


@app.command()
def index(
    follow: Annotated[bool, typer.Option("--follow", help="持续处理新的录像 Go on with what is recorded")] = False,
    lesson: Annotated[str | None, typer.Option(metavar="ID", help="只处理这节课 Only this lesson [all]")] = None,
    parent: Annotated[int | None, typer.Option(hidden=True, help="随此进程结束 End with this process")] = None,
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """为录像建立索引：章节、缩略图、响度、发言。 Index recordings: chapters, thumbnails, loudness, who speaks."""
    from classroom.indexing import run_index

    settings = load_settings(config, recordings=recordings)
    _log_to_stderr()
    run_index(settings, follow, None if lesson is None else parse_lesson_id(lesson), parent)


@app.command()
def top(
    server: Annotated[
        str, typer.Option(metavar="URL", help="服务器地址 Address of the server")
    ] = "http://localhost:8080",
    lesson: Annotated[str | None, typer.Option(metavar="ID", help="只看这节课 Only this lesson [all]")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="CLASSROOM_TOKEN",
            show_envvar=True,
            help="教师令牌；不给则用本机的密钥 A teacher's token, with --lesson [made with the key here]",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="只显示一次 Print once and exit")] = False,
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """实时查看每间教室的线路。 Watch the link of every classroom, live."""
    from classroom.top import TOKEN_S, watch

    if token is None:
        token = issue_operator_token(secret_of(load_settings(config, recordings=recordings)), time.time(), TOKEN_S)
        _run(watch(server, token, "/api/stats", lesson, once=once))
    elif lesson is None:
        _fail("用令牌时请给出 --lesson。 With a token --lesson is needed.")
    else:
        _run(watch(server, token, f"/api/lessons/{parse_lesson_id(lesson)}/stats", lesson, once=once))


@app.command()
def library(
    server: Annotated[
        str, typer.Option(metavar="URL", help="服务器地址 Address of the server")
    ] = "http://localhost:8080",
    ttl: Annotated[str, typer.Option(help="有效期，如 2h、90m、1d  Valid for so long")] = "12h",
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """显示资源库的网址，内含管理员令牌，勿外传。 Print the address of the library; the operator's token is in it."""
    settings = load_settings(config, recordings=recordings)
    token = issue_operator_token(secret_of(settings), time.time(), parse_duration_s(ttl))
    _say(f"{server.rstrip('/')}/library#token={token}")


@catalogue_commands.command()
def rebuild(recordings: Recordings = None, config: Config = None) -> None:
    """从磁盘重建录像目录，课程信息保留。 Read all recordings again from disk; what was said about lessons stays."""
    from classroom.composition import rebuild_catalogue

    _log_to_stderr()
    count = _run(rebuild_catalogue(load_settings(config, recordings=recordings)))
    _say(f"目录中有 {count} 个录像。 The catalogue has {count} recordings.")


@region_commands.command("import")
def import_region(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Excel(.xlsx) 或 CSV 文件 Excel or CSV files")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不导入 Check only, import nothing")] = False,
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """导入学校、人员、课表；有错就一行也不导入。 Import schools, people, timetable: all of it, or nothing."""
    from classroom.regional import take_in

    raise typer.Exit(_run(take_in(load_settings(config, recordings=recordings), files, dry_run=dry_run)))


@region_commands.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="要写的 .xlsx 文件 The .xlsx to be written")],
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """导出全部学校、人员、课表。 Export all schools, people and the timetable."""
    from classroom.regional import give_out

    _run(give_out(load_settings(config, recordings=recordings), file))


@region_commands.command()
def template(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="要写的 .xlsx 文件 The .xlsx to be written")],
) -> None:
    """写出一个空白的导入表，含示例和说明。 Write an empty workbook for an import, with examples and notes."""
    from classroom.regional import give_template

    _run(give_template(file))


@app.command()
def demo_data(
    into_existing: Annotated[
        bool, typer.Option("--into-existing", help="加进已有的数据 Add it to what is there")
    ] = False,
    recordings: Recordings = None,
    config: Config = None,
) -> None:
    """填入一个演示区县：学校、人员、课表。 Fill in a district to try things with: schools, people, a timetable."""
    from classroom.regional import fill_in

    raise typer.Exit(_run(fill_in(load_settings(config, recordings=recordings), into_existing=into_existing)))


@app.command()
def demo(
    camera: Source = None,
    slides: Source = None,
    mic: Source = None,
    port: Annotated[int | None, typer.Option(help="网页端口 Port of pages and API, TCP [8080]")] = None,
    media_port: Annotated[int | None, typer.Option(help="媒体端口 Port of all media, UDP [8189]")] = None,
    recordings: Recordings = None,
    lesson: Annotated[str | None, typer.Option(metavar="ID", help="课程编号 Lesson id [lesson-<time>]")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="文件循环播放 Play files again and again")] = False,
) -> None:
    """在本机上一节完整的课。 A whole lesson on this machine: server, capture agent, recorder (`make run`)."""
    from classroom.demo import Demo, DemoSettings

    sources = (camera, slides, mic)
    if not any(sources):
        sources = ("sample", "sample", "sample")
    name = lesson or time.strftime("lesson-%Y%m%d-%H%M%S")
    settings = load_settings(None, port=port, media_port=media_port, recordings=recordings)
    status = _run(Demo(DemoSettings(settings, parse_lesson_id(name), *sources, loop)).run())
    raise typer.Exit(status)


def main() -> NoReturn:
    """Run a command; an error that we foresee is a sentence and exit status 1, never a traceback."""
    try:
        app()
    except InvalidLessonId as error:
        _fail(f"课程编号由 1 到 64 个字母、数字、“-”或“_”组成，以字母或数字开头。 The lesson id is wrong: {error}.")
    except ClassroomError as error:
        _fail(str(error))
    sys.exit(0)


def _run(work: Coroutine[object, object, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _fail(text: str) -> NoReturn:
    sys.stderr.write(text + "\n")
    sys.exit(1)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")

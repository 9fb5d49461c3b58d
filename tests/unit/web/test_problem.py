"""What errors mean to a client of the HTTP doors."""

from classroom.sfu.session import NoWorker
from classroom.web.problem import refusal_of


def test_while_media_processes_start_again_clients_are_to_come_back():
    refusal = refusal_of(NoWorker("媒体进程正在重启。 The media workers are being restarted."))
    assert (refusal.status, refusal.code, refusal.headers["Retry-After"]) == (503, "busy", "2")

"""How signing in through an OpenID provider goes wrong; apart from openid.py, which few servers have to load."""

from __future__ import annotations

from classroom.model import ClassroomError


class SignInFailed(ClassroomError):
    """The provider does not vouch for anybody; the log says why."""

    def __init__(self) -> None:
        super().__init__(
            "统一身份认证没有成功，请重新登录；反复出现请联系管理员。 "
            "Signing in through the identity provider failed; try again, or tell an administrator."
        )


class ProviderUnreachable(ClassroomError):
    """The provider does not answer, or not as one."""

    def __init__(self) -> None:
        super().__init__(
            "统一身份认证服务没有响应，请稍后再试，或用账号密码登录。 "
            "The identity provider does not answer; try again later, or sign in with a password."
        )

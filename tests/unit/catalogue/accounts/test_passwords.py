"""Checking passwords costs much, so strangers wait for each other, and for nobody else."""

import asyncio

import pytest

from classroom.catalogue.accounts.passwords import AT_ONCE, MAX_WAITING, Passwords, TooManyPasswords


async def guess(passwords: Passwords, stored: str, password: str, *, is_known: bool) -> bool:
    with passwords.turn(is_known=is_known) as turn:
        return await turn.verify(stored, password)


async def test_strangers_without_end_hold_up_nobody_who_is_known():
    passwords = Passwords()
    try:
        stored = await passwords.hash("a few words in a row")
        crowd = [
            asyncio.create_task(guess(passwords, stored, "wrong", is_known=False))
            for _ in range(AT_ONCE + MAX_WAITING + 5)
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooManyPasswords):
            await guess(passwords, stored, "wrong", is_known=False)
        assert await guess(passwords, stored, "a few words in a row", is_known=True)
        assert sum(task.done() for task in crowd) < AT_ONCE + MAX_WAITING  # it was not the last
        told = await asyncio.gather(*crowd, return_exceptions=True)
        assert [type(one) for one in told].count(TooManyPasswords) == 5
    finally:
        passwords.close()

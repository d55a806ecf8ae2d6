"""`mrsp backup takeover`: a box with its own configuration and keys takes the place of one of which nothing is left."""

from __future__ import annotations

from datetime import datetime

from agent.backup.takeover import Agent, Claim, Ground, Stopped, become, carry_on, known_by
from agent.config import Config
from agent.errors import LocalTrouble
from agent.identity.present import own_public_keys
from agent.instance import Instance, generation_of
from agent.sealing import sealer_of
from agent.spool_restart import ChainRestart


def take_over_here(config: Config, claim: Claim, ground: Ground, now: datetime) -> tuple[Instance, ChainRestart | None]:
    """Let the chain of the dead box go on in this box's spool, and make this box the one that forwards.

    Raises `LocalTrouble` (the agent runs, keys, disk, statement), `UsageError`: then nothing has changed.
    """
    sealer, mdsp = sealer_of(config)
    try:
        config.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as err:
        raise LocalTrouble(f"the state directory {config.state_directory} cannot be made: {err.strerror}") from err
    agent = Agent(
        spool=config.spool_file,
        agent_id=config.agent_id,
        sealer=sealer,
        keys=own_public_keys(config.key_directory),
    )
    known = known_by(claim, mdsp, agent_id=config.agent_id, now=now)
    restart = None if isinstance(known, Stopped) else carry_on(agent, known, ground, now)
    return become(config.state_directory, generation_of(config.state_directory), now), restart

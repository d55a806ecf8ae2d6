"""What of a reading a person must act on, and which of it has been reported already. Pure functions over documents."""

from agent.anomalies.compose import Times, composed, composed_unread
from agent.anomalies.observe import Observation, observations
from agent.anomalies.settings import AnomalySettings
from agent.anomalies.watch import News, OpenFinding, bounded, news_of, of_another_meter

__all__ = [
    "AnomalySettings",
    "News",
    "Observation",
    "OpenFinding",
    "Times",
    "bounded",
    "composed",
    "composed_unread",
    "news_of",
    "observations",
    "of_another_meter",
]

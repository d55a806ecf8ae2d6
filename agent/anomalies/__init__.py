"""What of a reading a person must act on, and which of it has been reported already. Pure functions over documents."""

from agent.anomalies.at_site import REACHED, Sight, news_without_reading, seen_at_site, sights_of
from agent.anomalies.compose import Times, composed, composed_at, composed_unread
from agent.anomalies.observation import Observation
from agent.anomalies.observe import observations
from agent.anomalies.settings import AnomalySettings
from agent.anomalies.watch import News, OpenFinding, bounded, news_of, of_another_meter

__all__ = [
    "REACHED",
    "AnomalySettings",
    "News",
    "Observation",
    "OpenFinding",
    "Sight",
    "Times",
    "bounded",
    "composed",
    "composed_at",
    "composed_unread",
    "news_of",
    "news_without_reading",
    "observations",
    "of_another_meter",
    "seen_at_site",
    "sights_of",
]

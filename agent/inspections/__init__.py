"""Site inspections: what a person looks for at a meter, what is found there, and the anomaly reports of it."""

from agent.inspections.checklist import Checklist, Item, checklists
from agent.inspections.desk import InspectionDesk, NotReported
from agent.inspections.errors import Conflict, NotComplete, NotThere
from agent.inspections.inspection import Answer, Changes, Inspection, MadeSafe, Mark, Party, Subject, subject_of
from agent.inspections.store import INSPECTIONS_FILE

__all__ = [
    "INSPECTIONS_FILE",
    "Answer",
    "Changes",
    "Checklist",
    "Conflict",
    "Inspection",
    "InspectionDesk",
    "Item",
    "MadeSafe",
    "Mark",
    "NotComplete",
    "NotReported",
    "NotThere",
    "Party",
    "Subject",
    "checklists",
    "subject_of",
]

from baseload.plan.decide import plan as plan
from baseload.plan.model import Plan as Plan
from baseload.plan.question import Question as Question
from baseload.traffic.bills.bill import Bill as Bill
from baseload.traffic.bills.read import read_bill as read_bill
from baseload.traffic.read import read_shape as read_shape
from baseload.traffic.read import read_traffic as read_traffic
from baseload.traffic.table import Traffic as Traffic

__version__: str

__all__ = [
    "Bill",
    "Plan",
    "Question",
    "Traffic",
    "__version__",
    "plan",
    "read_bill",
    "read_shape",
    "read_traffic",
]

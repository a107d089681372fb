"""Laws of the insurance fund."""

from hypothesis import given
from hypothesis import strategies as st

from services.core import messages as m
from tests.builders import Driven

amounts = st.integers(1, 10**15)
groups = st.sampled_from(["main", "other"])
assets = st.sampled_from([1, 2])
contributions = st.builds(m.FundContributed, groups, assets, amounts)
deficits = st.builds(m.DeficitReported, st.integers(1, 10**6), groups, assets, amounts, st.integers(1, 10**6))


@given(st.lists(contributions | deficits))
def test_every_deficit_is_always_covered_or_escalated_in_full(
    history: list[m.FundContributed | m.DeficitReported],
) -> None:
    machine = Driven("insurance_fund")
    contributed: dict[tuple[str, int], int] = {}
    for message in history:
        events = machine.tell(message, source="risk/0")
        key = (message.group, message.asset)
        fund = machine.state.fund(*key)
        if isinstance(message, m.FundContributed):
            contributed[key] = contributed.get(key, 0) + message.amount
            continue
        answers = [event for event in events if isinstance(event, m.DeficitCovered | m.DeficitUncovered)]
        assert sum(answer.amount for answer in answers) == message.amount
        assert all(answer.amount > 0 and answer.deficit_id == message.deficit_id for answer in answers)
        contributed[key] = contributed.get(key, 0) - sum(
            answer.amount for answer in answers if isinstance(answer, m.DeficitCovered)
        )
        assert fund.balance == contributed[key] >= 0
        if any(isinstance(answer, m.DeficitUncovered) for answer in answers):
            assert fund.balance == 0


@given(st.lists(contributions | deficits))
def test_what_the_feed_says_adds_up_to_the_balance(history: list[m.FundContributed | m.DeficitReported]) -> None:
    machine = Driven("insurance_fund")
    told: dict[tuple[str, int], int] = {}
    for message in history:
        for event in machine.tell(message, source="risk/0"):
            if isinstance(event, m.FundChanged):
                key = (event.group, event.asset)
                told[key] = told.get(key, 0) + event.change
                assert told[key] == event.balance

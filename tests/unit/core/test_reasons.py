"""Reasons keep their numbers for ever and each says what was wrong."""

import string

import pytest

from services.core.reasons import TEXT, Reason

RELEASED = {
    0: "NONE",
    1: "MALFORMED",
    2: "UNKNOWN_KEY",
    3: "KEY_OF_ANOTHER_ACCOUNT",
    4: "INVALID_SIGNATURE",
    5: "UNAUTHORIZED",
    6: "KEY_EXPIRED",
    7: "KEY_REVOKED",
    8: "SECOND_SIGNATURE_MISSING",
    10: "WINDOW_TOO_LONG",
    11: "OUTSIDE_WINDOW",
    12: "CHANGE_TOO_EARLY",
    13: "TOO_MANY_REQUESTS",
    14: "SYSTEM_LAGGING",
    15: "LATE",
    19: "INVALID_TIER",
    20: "UNKNOWN_ACCOUNT",
    21: "UNKNOWN_ASSET",
    22: "UNKNOWN_MARKET",
    23: "ALREADY_LISTED",
    24: "INVALID_LISTING",
    25: "MARKET_HALTED",
    26: "INVALID_SUBACCOUNT",
    27: "MARKET_STATE",
    28: "CHANGE_OUT_OF_BOUNDS",
    29: "LAST_KEY",
    30: "INVALID_SIZE",
    31: "INVALID_PRICE",
    32: "INVALID_AMOUNT",
    33: "INVALID_ORDER",
    34: "NO_MARK",
    35: "OUTSIDE_BAND",
    36: "DUPLICATE_CLIENT_ID",
    37: "BELOW_NOTIONAL_MIN",
    38: "INVALID_EXPIRY",
    39: "INVALID_KEY",
    40: "TOO_MANY_ORDERS",
    41: "POSITION_LIMIT",
    42: "NUMBER_LIMIT",
    43: "ACCOUNT_LIQUIDATING",
    44: "INSUFFICIENT_MARGIN",
    45: "INSUFFICIENT_FUNDS",
    46: "REPLACE_UNDER_WAY",
    47: "TOO_MANY_KEYS",
    48: "OPEN_INTEREST_LIMIT",
    49: "BOOK_FULL",
    50: "ORDER_NOT_OPEN",
    51: "POST_ONLY_WOULD_TAKE",
    52: "REDUCE_ONLY_NOT_REDUCED",
    53: "IMMEDIATE_OR_CANCEL",
    54: "FILL_OR_KILL",
    55: "SELF_TRADE",
    56: "CANCELLED_BY_CLIENT",
    57: "CANCELLED_BY_LIQUIDATION",
    58: "PREMIUM_TOO_LARGE",
    59: "EXPIRED",
    60: "CUSTODY_SHORT",
    61: "CANCELLED_BY_MARGIN",
    62: "CANCELLED_BY_DISCONNECT",
    63: "CANCELLED_BY_SCHEDULE",
    64: "CANCELLED_BY_VENUE",
    65: "CANCELLED_BY_GROUP",
    66: "CANCELLED_BY_PROTECTION",
    67: "PROTECTION_TRIPPED",
    68: "INVALID_TRIGGER",
    69: "TOO_MANY_TRIGGERS",
    70: "TRIGGER_NOT_OPEN",
    71: "INVALID_LEVERAGE",
    72: "OWNER_LIMIT",
    73: "COLLATERAL_CAP",
    74: "INVALID_CALENDAR",
    75: "PRICE_LIMIT",
    76: "MARKET_EXPIRED",
    77: "NO_POSITION",
    78: "INVALID_TRIGGER_PRICE",
    79: "INVALID_TRAIL",
    80: "INVALID_EXITS",
    81: "INVALID_DURATION",
    82: "INVALID_INTERVAL",
    83: "INVALID_SLICES",
    84: "INVALID_TOLERANCE",
    85: "NO_POOL",
    86: "POOL_STATE",
    87: "NO_LIQUIDITY",
    88: "BORROW_LIMIT",
    89: "LEND_LIMIT",
    90: "REDEEM_FIRST",
    91: "REPAY_FIRST",
    92: "NOTHING_OWED",
    93: "INVALID_MODES",
    94: "PROFIT_NOT_MATURED",
    95: "UNDONE_BY_MODES",
}


def test_released_numbers_keep_their_names() -> None:
    assert {number: Reason(number).name for number in RELEASED} == RELEASED


def test_every_reason_is_released_here_and_in_ascending_order() -> None:
    numbers = [reason.value for reason in Reason]
    assert numbers == sorted(RELEASED)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_has_a_text_with_at_most_its_limit(reason: Reason) -> None:
    text = TEXT[reason]
    assert text
    assert {name for _, name, _, _ in string.Formatter().parse(text) if name is not None} <= {"limit"}
    assert not text.endswith(".")

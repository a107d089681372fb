"""Why something was refused: one enum, never renumbered, in the order of the checks; it does not decide anything.

Each text names what was wrong; `{limit}` is the number that applies, which the refusal carries in the units of its field.
"""

from enum import IntEnum
from typing import NamedTuple


class Reason(IntEnum):
    """Numbers are for ever; the order is the precedence of the checks."""

    NONE = 0
    # who asks
    MALFORMED = 1
    UNKNOWN_KEY = 2
    KEY_OF_ANOTHER_ACCOUNT = 3
    INVALID_SIGNATURE = 4
    UNAUTHORIZED = 5
    KEY_EXPIRED = 6
    KEY_REVOKED = 7
    SECOND_SIGNATURE_MISSING = 8
    # when
    WINDOW_TOO_LONG = 10
    OUTSIDE_WINDOW = 11
    CHANGE_TOO_EARLY = 12
    TOO_MANY_REQUESTS = 13
    SYSTEM_LAGGING = 14
    LATE = 15
    # what
    INVALID_TIER = 19
    UNKNOWN_ACCOUNT = 20
    UNKNOWN_ASSET = 21
    UNKNOWN_MARKET = 22
    ALREADY_LISTED = 23
    INVALID_LISTING = 24
    MARKET_HALTED = 25
    INVALID_SUBACCOUNT = 26
    MARKET_STATE = 27
    CHANGE_OUT_OF_BOUNDS = 28
    LAST_KEY = 29
    # its numbers
    INVALID_SIZE = 30
    INVALID_PRICE = 31
    INVALID_AMOUNT = 32
    INVALID_ORDER = 33
    NO_MARK = 34
    OUTSIDE_BAND = 35
    DUPLICATE_CLIENT_ID = 36
    BELOW_NOTIONAL_MIN = 37
    INVALID_EXPIRY = 38
    INVALID_KEY = 39
    # its effects
    TOO_MANY_ORDERS = 40
    POSITION_LIMIT = 41
    NUMBER_LIMIT = 42
    ACCOUNT_LIQUIDATING = 43
    INSUFFICIENT_MARGIN = 44
    INSUFFICIENT_FUNDS = 45
    REPLACE_UNDER_WAY = 46
    TOO_MANY_KEYS = 47
    OPEN_INTEREST_LIMIT = 48
    BOOK_FULL = 49
    # at matching
    ORDER_NOT_OPEN = 50
    POST_ONLY_WOULD_TAKE = 51
    REDUCE_ONLY_NOT_REDUCED = 52
    IMMEDIATE_OR_CANCEL = 53
    FILL_OR_KILL = 54
    SELF_TRADE = 55
    CANCELLED_BY_CLIENT = 56
    CANCELLED_BY_LIQUIDATION = 57
    PREMIUM_TOO_LARGE = 58
    EXPIRED = 59
    # custody
    CUSTODY_SHORT = 60
    # the venue's own cancels
    CANCELLED_BY_MARGIN = 61
    CANCELLED_BY_DISCONNECT = 62
    CANCELLED_BY_SCHEDULE = 63
    CANCELLED_BY_VENUE = 64
    CANCELLED_BY_GROUP = 65
    CANCELLED_BY_PROTECTION = 66
    # what waits, what protects, what is bounded together
    PROTECTION_TRIPPED = 67
    INVALID_TRIGGER = 68
    TOO_MANY_TRIGGERS = 69
    TRIGGER_NOT_OPEN = 70
    INVALID_LEVERAGE = 71
    OWNER_LIMIT = 72
    COLLATERAL_CAP = 73
    INVALID_CALENDAR = 74
    PRICE_LIMIT = 75
    MARKET_EXPIRED = 76
    NO_POSITION = 77
    # fields of what waits, each with its own unit
    INVALID_TRIGGER_PRICE = 78
    INVALID_TRAIL = 79
    INVALID_EXITS = 80
    INVALID_DURATION = 81
    INVALID_INTERVAL = 82
    INVALID_SLICES = 83
    INVALID_TOLERANCE = 84
    # the lending pool
    NO_POOL = 85
    POOL_STATE = 86
    NO_LIQUIDITY = 87
    BORROW_LIMIT = 88
    LEND_LIMIT = 89
    REDEEM_FIRST = 90
    REPAY_FIRST = 91
    NOTHING_OWED = 92
    INVALID_MODES = 93
    PROFIT_NOT_MATURED = 94
    UNDONE_BY_MODES = 95


class Refusal(NamedTuple):
    """A reason and the limit it applies; 0 where the text needs none."""

    reason: Reason
    limit: int = 0


TEXT = {
    Reason.NONE: "accepted",
    Reason.MALFORMED: "the request cannot be read; see protos/ for what each field accepts",
    Reason.UNKNOWN_KEY: "this key belongs to no account; open one with OpenAccount, signed by the key itself",
    Reason.KEY_OF_ANOTHER_ACCOUNT: "another key already opened the account of this id; make a new key",
    Reason.INVALID_SIGNATURE: "the signature does not verify; sign the exact bytes of `frame` with Ed25519",
    Reason.UNAUTHORIZED: "the key may not do this; use a key with the needed scope",
    Reason.KEY_EXPIRED: "the key expired at {limit}; sign with another key of the account",
    Reason.KEY_REVOKED: "the key was revoked; sign with another key of the account",
    Reason.SECOND_SIGNATURE_MISSING: "two admins must sign what touches money; add the signature of another admin key",
    Reason.WINDOW_TOO_LONG: "the window is outside 1 to {limit} ms",
    Reason.OUTSIDE_WINDOW: "the timestamp is further from the venue's time than the window of {limit} ms; ask GetTime and sign again",
    Reason.CHANGE_TOO_EARLY: "such a change takes effect at {limit} at the earliest",
    Reason.TOO_MANY_REQUESTS: "the rate limit of {limit} per second is used up; retry later",
    Reason.SYSTEM_LAGGING: "the venue is {limit} ms behind; only what cancels, reduces or pays is taken meanwhile; retry later",
    Reason.LATE: "older than {limit} ms when it arrived; send it again if still wanted",
    Reason.INVALID_TIER: "tiers are 1 to {limit}, each once, of limits 0 too; an account's tier is one that fees or limits name, or 0",
    Reason.UNKNOWN_ACCOUNT: "no such account; open it with OpenAccount or by a deposit",
    Reason.UNKNOWN_ASSET: "no such asset; see the list of assets",
    Reason.UNKNOWN_MARKET: "no such market; see the list of markets",
    Reason.ALREADY_LISTED: "listed already with other values; the same listing again changes nothing",
    Reason.INVALID_LISTING: "the listing breaks rule {limit} of services/core/listing.py, an asset's of services/settlement/listing.py",
    Reason.MARKET_HALTED: "the market is halted; it opens with its first mark",
    Reason.INVALID_SUBACCOUNT: "subaccounts are 0 to {limit}",
    Reason.MARKET_STATE: "the market does not take this in its state {limit}; see MarketState in protos/",
    Reason.CHANGE_OUT_OF_BOUNDS: "the change breaks bound {limit} of services/funding/changes.py",
    Reason.LAST_KEY: "the last key that may withdraw cannot be revoked; add another one first",
    Reason.INVALID_SIZE: "size must be a positive multiple of the lot and at most {limit}",
    Reason.INVALID_PRICE: "price must be a positive multiple of the tick {limit}",
    Reason.INVALID_AMOUNT: "amount must be positive and at most {limit}",
    Reason.INVALID_ORDER: "fields do not go together; see PlaceOrder and MassQuote in protos/ (a quote keeps the side of its client_id)",
    Reason.NO_MARK: "the market has no fresh mark; wait for the next one",
    Reason.OUTSIDE_BAND: "price is outside the band round the mark; the nearest accepted is {limit}",
    Reason.DUPLICATE_CLIENT_ID: "an open order of this subaccount in the market has the client id already",
    Reason.BELOW_NOTIONAL_MIN: "the order is worth less than the smallest notional, {limit}",
    Reason.INVALID_EXPIRY: "the time is outside what is accepted; the nearest accepted is {limit}",
    Reason.INVALID_KEY: "a key is 32 bytes of Ed25519, with scopes among 1 (read), 2 (trade) and 4 (withdraw)",
    Reason.TOO_MANY_ORDERS: "at most {limit} open orders per subaccount and market",
    Reason.POSITION_LIMIT: "position and orders together may reach {limit}",
    Reason.NUMBER_LIMIT: "a total would pass the largest number kept, {limit}",
    Reason.ACCOUNT_LIQUIDATING: "the subaccount is being liquidated; wait until it is done",
    Reason.INSUFFICIENT_MARGIN: "initial margin is not covered; missing {limit}",
    Reason.INSUFFICIENT_FUNDS: "not enough to give; available {limit}",
    Reason.REPLACE_UNDER_WAY: "another replace of this order is under way; wait for its result",
    Reason.TOO_MANY_KEYS: "at most {limit} keys per account",
    Reason.OPEN_INTEREST_LIMIT: "the market's open interest may reach {limit}",
    Reason.BOOK_FULL: "the book holds at most {limit} of these",
    Reason.ORDER_NOT_OPEN: "no open order of this subaccount has the id",
    Reason.POST_ONLY_WOULD_TAKE: "a post-only order would have traded at once; the best opposite price is {limit}",
    Reason.REDUCE_ONLY_NOT_REDUCED: "nothing is left to reduce",
    Reason.IMMEDIATE_OR_CANCEL: "the rest found nobody at this price",
    Reason.FILL_OR_KILL: "not enough at this price to fill it whole",
    Reason.SELF_TRADE: "it would have traded with an order of the same account",
    Reason.CANCELLED_BY_CLIENT: "cancelled on request",
    Reason.CANCELLED_BY_LIQUIDATION: "cancelled because the subaccount fell below maintenance margin",
    Reason.PREMIUM_TOO_LARGE: "the price is too far from the index for the market's usual premium; the nearest accepted is {limit}",
    Reason.EXPIRED: "its time was over",
    Reason.CANCELLED_BY_MARGIN: "cancelled because its fill would have left too little margin",
    Reason.CANCELLED_BY_DISCONNECT: "cancelled because the session that guarded it ended",
    Reason.CANCELLED_BY_SCHEDULE: "cancelled at the time that was asked for",
    Reason.CANCELLED_BY_VENUE: "cancelled because the market changed its state",
    Reason.CANCELLED_BY_GROUP: "cancelled because another order or trigger of its group came first",
    Reason.CANCELLED_BY_PROTECTION: "cancelled by the market-maker protection of its account",
    Reason.PROTECTION_TRIPPED: "market-maker protection tripped; quotes are taken again at {limit}, when that is 0 after ResetProtection",
    Reason.INVALID_TRIGGER: "fields do not go together; see PlaceTrigger and Exit in protos/",
    Reason.TOO_MANY_TRIGGERS: "at most {limit} triggers wait per subaccount and market",
    Reason.TRIGGER_NOT_OPEN: "nothing of this subaccount waits under this id",
    Reason.INVALID_LEVERAGE: "leverage is 1 to {limit}, or 0 for the markets' own, and must be covered by the margin held now",
    Reason.OWNER_LIMIT: "positions of one owner's accounts may reach {limit} together",
    Reason.COLLATERAL_CAP: "the venue holds no more of this asset than {limit}",
    Reason.INVALID_CALENDAR: "the calendar breaks rule {limit} of services/funding/calendar.py",
    Reason.PRICE_LIMIT: "the price passes the limit round the last settlement; the nearest accepted is {limit}",
    Reason.MARKET_EXPIRED: "the market expired",
    Reason.NO_POSITION: "there is no position that it could close",
    Reason.INVALID_TRIGGER_PRICE: "a price of what waits is not on the market's ticks or too high; the nearest accepted is {limit}",
    Reason.INVALID_TRAIL: "trail is out of range; the nearest accepted part of the price is {limit}",
    Reason.INVALID_EXITS: "at most {limit} exits, of different kinds, of an order that may open a position; a spot market has none",
    Reason.INVALID_DURATION: "duration is out of range or no multiple of the interval; the nearest accepted is {limit}",
    Reason.INVALID_INTERVAL: "interval is out of range; the nearest accepted is {limit}",
    Reason.INVALID_SLICES: "slices would be too small or too large; the nearest size accepted for the whole is {limit}",
    Reason.INVALID_TOLERANCE: "tolerance is out of range; the nearest accepted part of the mark is {limit}",
    Reason.NO_POOL: "this asset has no lending pool",
    Reason.POOL_STATE: "the pool takes only what pays it back (1) or nothing by will (2); it is in state {limit}",
    Reason.NO_LIQUIDITY: "the pool's cash can give {limit} here now; more comes with its next period, repayments and new supply",
    Reason.BORROW_LIMIT: "at most {limit} more may be borrowed",
    Reason.LEND_LIMIT: "the pool takes at most {limit} more",
    Reason.REDEEM_FIRST: "what is lent is redeemed before anything is borrowed; {limit} is lent",
    Reason.REPAY_FIRST: "what is owed is repaid before anything is lent; {limit} is owed",
    Reason.NOTHING_OWED: "there is no debt of this asset; {limit} is owed",
    Reason.INVALID_MODES: "modes are bits of Mode, at most {limit} together",
    Reason.PROFIT_NOT_MATURED: "floating profit that has not matured does not leave; {limit} may",
    Reason.UNDONE_BY_MODES: "the subaccount's modes {limit} would undo it at once; turn them off first",
    Reason.CUSTODY_SHORT: "custody holds less than was asked; the money is back in the account",
}

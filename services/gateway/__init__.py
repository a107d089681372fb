"""Gateway: where clients come in; it turns signed requests into commands and feeds into streams.

Purpose     serve Trading and MarketData over gRPC: check signatures and shapes, parse decimals, pass commands on, wait for results
Inputs      clients' requests; feed.* topics; queries to risk, matching and settlement
Outputs     FrameSigned and the commands behind it to risk.inbox and settlement.inbox; answers and streams to clients
State       none of its own: listings, marks and books are read models; any number of gateways may run at once
Invariants  nothing is passed on that its key did not sign; a refusal is definite, or it says that it is not; bounded memory
Source      DESIGN.md 1 and 2; threat model in reliability.md part c
"""

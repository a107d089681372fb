"""Gateway: where clients come in; it turns signed requests into commands and feeds into streams.

Purpose     serve Trading, MarketData and Lending over gRPC, and Admin on a port of its own: check signatures and shapes, parse
            decimals, pass commands on, wait for results; shed new orders first when there is too much
Inputs      requests of clients and admins; feed.* topics; queries to risk, matching, settlement, funding and lending_pool
Outputs     FrameSigned, AdminFrameSigned and the commands behind them to risk.inbox, settlement.inbox and funding.inbox; LeaseRenewed to
            risk.inbox; answers and streams to clients
State       none of its own: listings, keys, marks and books are read models; any number of gateways may run at once
Invariants  nothing is passed on that its key did not sign; a refusal is definite, or it says that it is not; bounded memory
Source      DESIGN.md 1 and 2; threat model in reliability.md part c
"""

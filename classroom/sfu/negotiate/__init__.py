"""Offer to answer (RFC 8829, RFC 3264): pure, text in, text and plans out."""

from classroom.sfu.negotiate.answer import LocalTransport, Negotiated, SlotPlan, UpPlan, answer_offer
from classroom.sfu.negotiate.fragment import BadFragment, Fragment, build_fragment, parse_fragment
from classroom.sfu.negotiate.offer import BadOffer, MediaOffer, Offer, UnacceptableOffer, parse_offer

__all__ = [
    "BadFragment",
    "BadOffer",
    "Fragment",
    "LocalTransport",
    "MediaOffer",
    "Negotiated",
    "Offer",
    "SlotPlan",
    "UnacceptableOffer",
    "UpPlan",
    "answer_offer",
    "build_fragment",
    "parse_fragment",
    "parse_offer",
]

"""What each detector takes for its own, and what only looks like it."""

import pytest

from rooms.safety.book import Options
from rooms.safety.detectors import DETECTORS
from rooms.safety.message import Message
from rooms.safety.window import Window

OPTIONS = Options(
    phone_countries=("US", "GB", "FR", "BE", "CH"),
    allowed_phones=("116 123", "0800 1110111", "3114"),
    allowed_hosts=("allinya.com",),
    plain_suffixes=("com", "fr", "co.uk"),
    shorteners=("bit.ly",),
    flood_messages=5,
    flood_within_s=10,
    repeated_times=3,
    repeated_within_s=60,
)

FOUND = {
    "phone": {
        "ring 06 12 34 56 78 tonight": "06 12 34 56 78",
        "+44 (0)7911 123456": "44 (0)7911 123456",
        "four one five five five five two six seven one": "four one five five five five two six seven one",
        "non: zero six douze, 34-56-78": None,
        "non: zero six douze 34-56-78": "zero six douze 34-56-78",
        "my cycles were 25, 28, 26, 30, 29": None,
        "seven double five": None,
        "116 123 or 0800 1110111": None,
        "at 10:30, 11:45, 12:15 and 14:20": None,
        "1984-03-12 06:45, 12/03/1984": None,
        "$1,200 then 3500 euros": None,
        "29\u00b014' and 12\u00b034'": None,
        "1 2 3 4 5 6 7 8 9 10": None,
    },
    "card": {
        "4242 4242 4242 4242": "4242 4242 4242 4242",
        "x4242424242424242x": "4242424242424242",
        "4242 4242 4242 4241": None,
        "GB29 NWBK 6016 1331 9268 19": None,
        "1234567890123": None,
    },
    "iban": {
        "it is DE89 3704 0044 0532 0130 00, thanks": "DE89 3704 0044 0532 0130 00",
        "fr7630006000011234567890189": "fr7630006000011234567890189",
        "DE89 3704 0044 0532 0130 01": None,
        "ZZ89 3704 0044 0532 0130 00": None,
    },
    "email": {
        "to jane.doe+x@mail.example.com please": "jane.doe+x@mail.example.com",
        "jane dot doe at gmail dot com": "doe at gmail dot com",
        "marie arobase orange point fr": "marie arobase orange point fr",
        "meet me at home. come soon": None,
        "look at this dot": None,
        "a@b": None,
    },
    "handle": {
        "insta: luna_77": "insta: luna_77",
        "find me @lunatarot": "@lunatarot",
        "@luna_77": "@luna_77",
        "hi @Anna": None,
        "instagram is broken": None,
    },
    "wallet": {
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2": "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3": None,
        "$moonlady": "$moonlady",
        "$120": None,
    },
    "link": {
        "see lena-tarot.fr/x now": "lena-tarot.fr/x",
        "www.lena.me": "www.lena.me",
        "https://sub.allinya.com/x": None,
        "https://notallinya.com/": "https://notallinya.com/",
        "so it is.me too": None,
        "sad.Today": None,
        "i.e. and e.g. and 3.14": None,
    },
    "suspicious_link": {
        "javascript:alert(1)": "javascript:alert(1)",
        "https://allinya.com@evil.com/": "https://allinya.com@evil.com/",
        "http://[::1]/": "http://[::1]/",
        "http://0x7f.1/": "http://0x7f.1/",
        "https://xn--80ak6aa92e.com": "https://xn--80ak6aa92e.com",
        "bit.ly/abc": "bit.ly/abc",
        "https://lena.com": None,
        "I love javascript: it is fun": "javascript:",
    },
    "age": {
        "I'm 15": "I'm 15",
        "I am only sixteen, sorry": "I am only sixteen",
        "j'ai quatorze ans": "j'ai quatorze ans",
        "I'm 15 minutes late": None,
        "I was 15 when it began": None,
        "my son is 15": None,
        "j'ai 15 ans de pratique": None,
        "I feel like I'm 15 again": None,
        "I'm 18": None,
    },
}
CASES = [(name, text, wanted) for name, cases in FOUND.items() for text, wanted in cases.items()]


@pytest.mark.parametrize(("name", "text", "wanted"), CASES)
def test_it_finds_its_own_and_nothing_else(name: str, text: str, wanted: str | None) -> None:
    spans = DETECTORS[name](OPTIONS).find(Message(text, Window(), now_ms=0))
    assert [text[start:end] for start, end in spans][:1] == ([] if wanted is None else [wanted])

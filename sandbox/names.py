"""Plausible names and headlines for the people of the sandbox."""

FIRST = (
    "Amara",
    "Bruno",
    "Chiara",
    "Dario",
    "Elif",
    "Femi",
    "Greta",
    "Hana",
    "Imani",
    "Jonas",
    "Keiko",
    "Leif",
    "Mateo",
    "Nadia",
    "Oskar",
    "Priya",
    "Quinn",
    "Rosa",
    "Samir",
    "Tove",
    "Uma",
    "Vera",
    "Wanjiru",
    "Xenia",
    "Yusuf",
    "Zofia",
    "Anouk",
    "Bashir",
    "Carmen",
    "Diego",
    "Esther",
    "Farid",
    "Gwen",
    "Hugo",
    "Ines",
)
LAST = (
    "Adeyemi",
    "Bergman",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Ferreira",
    "Grant",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kaya",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
    "Quiroga",
    "Rossi",
    "Sato",
    "Tanaka",
    "Usman",
    "Varga",
    "Walsh",
    "Xu",
    "Yilmaz",
    "Zanetti",
    "Abbasi",
    "Brandt",
    "Costa",
)
HEADLINES = (
    ("Breathwork for restless nights", ("breathwork", "sleep")),
    ("Grief has its own pace; I walk along", ("grief", "counselling")),
    ("Calm in the middle of a busy life", ("stress", "meditation")),
    ("Gentle movement after illness", ("movement", "recovery")),
    ("Talking through a hard decision", ("decisions", "coaching")),
    ("Tarot as a conversation, not a verdict", ("tarot", "reflection")),
    ("Meditation for people who cannot sit still", ("meditation", "focus")),
    ("Support for new parents", ("parenting", "support")),
    ("Energy work with both feet on the ground", ("reiki", "energy")),
    ("Couples who want to listen again", ("relationships", "counselling")),
    ("Rest for the burnt out", ("burnout", "recovery")),
)


def name_of(number: int) -> str:
    """A full name; a thousand numbers give a thousand different ones."""
    # The two lengths have no common divisor, so the pairs repeat only after all of them.
    return f"{FIRST[number % len(FIRST)]} {LAST[number % len(LAST)]}"


def headline_of(number: int) -> tuple[str, tuple[str, ...]]:
    """A practitioner's headline and its topics."""
    return HEADLINES[number % len(HEADLINES)]

"""Dialects: what providers' wire formats have in common, and small pure translators from and to it.

    client's bytes ──read──► Prompt ──write──► target's bytes
    client's bytes ◄──write── Reply | Events ◄──read── target's bytes

`nouns` is the middle; a module a dialect reads and writes it; `matrix` says for every field and dialect
whether it is carried, approximated and how, or refused (`judging` applies it). Traffic between
equal dialects never comes here.
"""

"""Families of genres: the common names of MusicBrainz, Last.fm, Discogs and the ID3 list.

Names are in the form that `labels.normalize` gives.
"""

from __future__ import annotations

# The first families are the genres of the bundled model; it has no genre for the others, which can
# only be related, or differ.
_FAMILIES = {
    "blues": "boogie woogie, jump blues, blues rock, jazz blues",
    "classical": """
        baroque, renaissance, romantic, romanticism, impressionism, minimalism, medieval,
        early music, opera, operetta, oratorio, cantata, choral, chamber music, chamber,
        orchestral, orchestra, symphony, symphonic, symphonic poem, sonata, concerto, string
        quartet, piano, neoclassical, neo classical, contemporary classical, modern
        classical, gregorian chant, plainchant, lied, lieder, art song, requiem, mass,
        fugue, suite, serialism, post classical
        """,
    "country": """
        americana, bluegrass, honky tonk, western swing, country rock, country pop,
        nashville sound, outlaw, rockabilly, hillbilly, country and western, western,
        bakersfield sound, red dirt
        """,
    "disco": """
        italo disco, euro disco, nu disco, post disco, disco polo, hi nrg, boogie, space
        disco
        """,
    "electronic": """
        electronica, electro, electronic dance, edm, idm, dance, club, club dance, house,
        club house, techno, techno industrial, trance, goa, psytrance, dubstep, drum and
        bass, dnb, d and b, jungle, breakbeat, breaks, nu breakz, big beat, ambient,
        psybient, downtempo, chillout, chill out, trip hop, eurodance, euro house, euro
        techno, rave, hardstyle, gabber, acid, acid house, electroclash, electropop,
        synthpop, synth pop, techno pop, synthwave, vaporwave, glitch, chiptune, 8 bit,
        leftfield, illbient, ebm, industrial, industro goth, aggrotech, darkwave, uk garage,
        2 step, grime, bass, booty bass, footwork, juke, freestyle, hardcore techno, happy
        hardcore, digital hardcore, breakbeat hardcore, uk hardcore, speedcore, liquid funk,
        electrofunk, us garage, speed garage, broken beat, eurotrance, terror, nu jazz,
        lounge, new beat, microsound, idm and glitch, electro rock, folktronica, chillwave,
        future bass, moombahton, dub techno, krautrock, complextro
        """,
    "hip hop": """
        hiphop, rap, trap, g funk, gangsta, gangsta rap, crunk, boom bap, turntablism, trip
        hop, grime, drill, conscious, bounce, hyphy, miami bass, new jack swing, urban,
        chopped and screwed
        """,
    "jazz": """
        bebop, bop, hard bop, swing, big band, dixieland, ragtime, fusion, fast fusion, free
        jazz, cool, acid jazz, nu jazz, bossa nova, gypsy jazz, stride, vocal jazz, jazz
        funk, jazz and funk, third stream, jazz rock, crossover jazz, new orleans, jazz
        blues
        """,
    "metal": """
        metalcore, deathcore, grindcore, mathcore, djent, thrash, doom, sludge, nwobhm,
        goregrind, death, black metal, crust, stoner, symphonic black metal, nu metal,
        funeral doom, screamo
        """,
    "pop": """
        britpop, jpop, j pop, kpop, k pop, cpop, c pop, mandopop, cantopop, europop,
        electropop, synthpop, synth pop, teen pop, boy band, girl group, schlager, chanson,
        bubblegum, top 40, power pop, brill building, pop rock, pop folk, pop funk, new
        romantic, ballad, indie pop, oldies, singer songwriter, eurodance, city pop, mpb,
        italo pop, country pop, yacht rock, soft rock, adult contemporary
        """,
    "reggae": """
        ska, dub, dancehall, dance hall, ragga, rocksteady, roots, roots reggae, lovers
        rock, mento, reggaeton, dembow
        """,
    "rock": """
        alternative, alternative rock, alt rock, indie, indie rock, punk, punk rock, post
        punk, hardcore, emo, grunge, new wave, no wave, shoegaze, britpop, rock and roll,
        rocknroll, rockabilly, psychedelic, psychedelia, progressive, prog, krautrock, surf,
        garage, gothic, goth, post rock, noise rock, oi, afro punk, acid punk, polsk punk,
        stoner, jam band, jam, beat, merseybeat, power ballad, neue deutsche welle, ndw,
        dream pop, aor, screamo, lo fi, british invasion, adult contemporary, soft rock,
        jazz rock, pop rock, riot grrrl, visual kei
        """,
    "soul": """
        r and b, rnb, rhythm and blues, motown, neo soul, funk, p funk, quiet storm, doo
        wop, doowop, slow jam, rhythmic soul, northern soul, new jack swing, jazz funk, jazz
        and funk, porn groove, go go, g funk, pop funk
        """,
    "folk": """
        acoustic, singer songwriter, traditional, celtic, irish, folklore, sea shanties, pop
        folk, klezmer, americana, bluegrass, folktronica, skiffle, polka
        """,
    "gospel": """
        christian, contemporary christian, spiritual, spirituals, ccm, worship, religious,
        hymns
        """,
    "latin": """
        salsa, samba, tango, merengue, bachata, cumbia, mambo, bolero, son cubano, rumba,
        flamenco, bossa nova, mpb, reggaeton, tejano, ranchera, mariachi, forro, fado,
        vallenato, latin american
        """,
    "world": """
        world music, ethnic, african, afrobeat, afropop, highlife, soukous, bhangra, indian,
        arabic, balkan, tribal, native american, national folk, hawaiian, rai, qawwali,
        raga, calypso, soca, zouk, asian, global, mento
        """,
    "new age": "meditative, meditation, relaxation, healing, nature, space, space music",
    "soundtrack": """
        score, film score, film, original score, ost, game, video game, musical, showtunes,
        show tunes, trailer, anime, theme, television, broadway, stage and screen
        """,
    "easy listening": """
        lounge, exotica, vocal, vocal pop, traditional pop, crooner, instrumental pop, muzak
        """,
    "spoken": """
        spoken word, speech, audiobook, audio theatre, podcast, radio drama, radio, comedy,
        humour, interview, stand up, non music, nonmusic, poetry, audio drama
        """,
}
# Families whose borders are a matter of taste.
_RELATED = """
    blues / jazz, blues / rock, blues / soul, blues / country, blues / folk, blues / gospel,
    classical / soundtrack, classical / new age, classical / easy listening, country / folk,
    country / rock, country / pop, disco / electronic, disco / pop, disco / soul, electronic
    / pop, electronic / hip hop, electronic / new age, hip hop / soul, hip hop / pop, hip
    hop / reggae, jazz / soul, jazz / latin, jazz / easy listening, metal / rock, pop /
    rock, pop / soul, pop / folk, pop / easy listening, pop / latin, reggae / world, reggae
    / latin, rock / folk, gospel / soul, folk / world, latin / world, new age / world,
    soundtrack / easy listening
    """


def _listed(text: str) -> list[str]:
    return [" ".join(entry.split()) for entry in text.split(",")]


def _index() -> dict[str, frozenset[str]]:
    index: dict[str, set[str]] = {}
    for family, names in _FAMILIES.items():
        for name in [family, *_listed(names)]:
            index.setdefault(name, set()).add(family)
    return {name: frozenset(families) for name, families in index.items()}


def _relations() -> dict[str, set[str]]:
    related: dict[str, set[str]] = {family: set() for family in _FAMILIES}
    for pair in _listed(_RELATED):
        one, other = pair.split(" / ")
        related[one].add(other)
        related[other].add(one)
    return related


# The families of each name, and those next to each family.
INDEX = _index()
RELATIONS = _relations()

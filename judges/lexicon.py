"""Word classes that readers react to, written by hand for the style features of `judges.features`. English only."""

from __future__ import annotations

from collections.abc import Mapping

_CLASSES = {
    "first person": "i i'm i've i'd i'll me my mine myself",
    "we": "we we're we've us our ours ourselves let's",
    "you": "you you're you've you'd you'll your yours yourself",
    "he": "he he's he'd him his himself",
    "she": "she she's she'd her hers herself",
    "they": "they they're they've them their theirs",
    "men": "man men guy guys dude boy boys father dad son husband brother king gentleman",
    "women": "woman women girl girls lady ladies mother mom daughter wife sister queen",
    "family": "kid kids child children baby babies teen teens teenager student students school parents family families "
    "son daughter boy girl little",
    "this": "this these that here here's those",
    "question words": "what why how who where which when whether what's who's how's",
    "curiosity": "happens happened happen reason reasons secret secrets truth surprising surprise surprised unexpected "
    "never wait until next thing things something someone turns actually really watch see look guess imagine believe "
    "wonder know knew idea explain explains",
    "demands": "watch see look read check listen meet stop don't try get share take",
    "negation": "not no never don't doesn't didn't can't won't isn't aren't wasn't nobody nothing none without",
    "bad": "bad worst worse wrong hate hates hated horrible terrible awful ugly sad angry anger fear afraid scary "
    "scared stupid dumb insane crazy ridiculous disgusting shame shameful shocking shocked hurt hurts pain painful "
    "sick problem problems lies lie lying liar fail failed fails ruin ruined creepy offensive evil nasty gross hell "
    "damn terrifying tragic awkward disturbing hypocrisy racist sexist",
    "good": "good best better great love loves loved beautiful happy amazing awesome wonderful brilliant perfect "
    "incredible inspiring hope win wins smart funny hilarious fun favorite heartwarming sweet cute adorable brave "
    "hero heroes genius kind nice epic powerful gorgeous stunning",
    "violence": "die dies died dead death kill kills killed killing killer murder murdered suicide war wars gun guns "
    "shot shoot shooting bomb weapon weapons cancer disease violence violent attack attacked abuse abused bully "
    "bullies bullied bullying victim victims prison jail police cop cops crime arrested",
    "body": "body bodies face eyes hair skin fat weight sex sexy sexual naked nude period birth pregnant abortion "
    "makeup beauty plastic model models",
    "origin": "black white race racism african american immigrants immigrant immigration muslim muslims latino asian",
    "faith": "god jesus christian christians church religion religious bible pope atheist",
    "lgbt": "gay lesbian lgbt transgender trans marriage equality homophobic straight",
    "politics": "president obama congress senator senate republican republicans democrat democrats gop politician "
    "politicians government election vote voting voters law laws bill court political politics fox news conservative "
    "liberal",
    "money": "money dollars rich poor poverty pay paid tax taxes bank banks wall street billion million economy jobs "
    "job work workers company companies corporate corporations business wage cost costs price buy sell",
    "nature": "climate earth planet water ocean food animals animal dog dogs cat cats science scientist scientists oil "
    "energy global warming space universe farm bees",
    "media": "tv movie movies video song songs music ad ads commercial comedian show star famous celebrity rapper "
    "daily photo photos picture pictures chart map graph infographic interview speech",
    "totals": "every everyone everybody all always ever most only entire whole world anyone anything",
    "hedges": "kinda pretty just maybe probably basically literally actually seriously totally bit sort even still",
    "time": "minute minutes second seconds hour hours day days year years now today before after first last finally "
    "then",
    "number words": "one two three four five six seven eight nine ten dozen hundred thousand half",
    "speech": "says said say tells told asks asked explains talks calls called speaks responds reaction reacts quote",
    "deeds": "makes made make gets got goes went go comes came come does did do tries tried finds found takes took "
    "gives gave turned starts started decided learned",
    "connectives": "and but because so if while though or",
    "the": "the",
    "a": "a an",
    "be": "is are was were be been being",
    "modals": "can could will would should might may must need",
    "prepositions": "of in on at to for with from by about into",
    "cause": "because since therefore thus hence due result consequently",
    "contrast": "however although though yet whereas despite instead rather",
    "evidence": "example instance such according study studies research evidence statistics fact facts data shows "
    "proven percent",
    "opinion": "believe think feel opinion argue agree disagree",
    "abuse": "idiot idiots crap lol haha wtf shit fuck fucking suck sucks retarded ass",
    "slips": "u ur dont cant wont im thats alot becuz cuz teh plz r didnt doesnt isnt ive wanna gonna",
    "society": "people society public rights freedom country human life",
}

CLASSES: Mapping[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _CLASSES.items()}
OPENERS = ("this", "question words", "first person", "we", "you", "he", "she", "they", "the", "a", "demands",
           "number words", "connectives", "men", "women", "totals")  # fmt: skip
ENDERS = ("this", "you", "he", "she", "they", "first person")

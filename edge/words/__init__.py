"""What the product says, in other languages: one file for each, from the English sentence to its translation.

English stands where it is used; a sentence that a file lacks is shown in English, and a test says that it is missing.
`{name}` in a sentence is put in afterwards, and stands in its translation too.
"""

from edge.words.languages import ENGLISH, choose_language, languages, texts, translate
from edge.words.sentence import Sentence

__all__ = ["ENGLISH", "Sentence", "choose_language", "languages", "texts", "translate"]

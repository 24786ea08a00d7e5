"""The filter an installation may set: one CEL expression every user, group and membership record passes.

    scan        characters to tokens, in linear time            strings    its string and bytes literals
    parse       tokens to a syntax tree, by cel-python's grammar
    syntax      the tree
    resolve     what each name means; the whitelist             signatures  functions and their types
    typecheck   what can never work is refused
    fold        constants are worked out once                   regex      RE2
    closures    the tree to nested functions                    access, logic, comparisons, macros
    values      what a CEL value and a failure is               operators, functions, times
    budget      the work one evaluation may do
    reach       whether it can ever be true                     warn, fields
    filters     compile and judge                               verdict, diagnostics

Hosts run cel-go, so that is what an expression means here: the CEL specification with its standard library. The
parser is imported when the first filter that is not blank is compiled.
"""

from openlane_authentik.filter.diagnostics import render_diagnostic
from openlane_authentik.filter.filters import Filter, compile_filter
from openlane_authentik.filter.verdict import Verdict

__all__ = ["Filter", "Verdict", "compile_filter", "render_diagnostic"]

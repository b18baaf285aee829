"""python3 -B Bench/Report --out PAGE.html RESULT.json...

Turns results of seandb-bench into one HTML page that needs no other file and no network. What is
missing, broken off or malformed is said in the page. Needs what requirements.txt names.
"""

import sys

from report.command import main

sys.exit(main(sys.argv[1:]))

# Prints what the tests that failed said, from the output of go test -v, in which
# the lines of tests that run side by side are mixed.

/^=== (RUN|PAUSE|CONT|NAME) / { test = $3; next }
/^ *--- (PASS|SKIP): / { next }
/^ *--- FAIL: / { order[++count] = $3; next }
/^(FAIL|PASS|ok|exit status)/ { last = last $0 "\n"; next }
{ said[test] = said[test] $0 "\n" }

END {
  for (i = 1; i <= count; i++)
    if (said[order[i]] != "")
      printf "\n--- FAIL: %s\n%s", order[i], said[order[i]]
  if (count == 0)
    printf "%s%s", said[""], said[test]
  printf "%s", last
}

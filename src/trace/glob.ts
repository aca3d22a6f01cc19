// Globs: * stands for any text, ? for any letter.
//
// select.ts names events by them, filter.ts compares words with them. Not by regular expressions: these take a time
// without bound for a glob with many stars, and anybody may have written it.

/** Whether a text matches `glob`, all of it; in time of the product of their lengths. */
export const globMatcher =
  (glob: string) =>
  (text: string): boolean => {
    let [at, star, resume] = [0, -1, 0];
    for (let i = 0; i < text.length; ) {
      if (glob[at] === '*') {
        star = at++;
        resume = i;
      } else if (glob[at] === '?' || glob[at] === text[i]) {
        at++;
        i++;
      } else if (star >= 0) {
        // The last star takes one letter more.
        at = star + 1;
        i = ++resume;
      } else return false;
    }
    while (glob[at] === '*') at++;
    return at === glob.length;
  };

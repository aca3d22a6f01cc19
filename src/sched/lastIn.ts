// Taking something back out of a list that is mostly a stack: read sections entered.

/** Removes the last `item` of `list`; false: it is not there. Where it is at the end nothing is moved or allocated. */
export function removeLast<T>(list: T[], item: T): boolean {
  const index = list.lastIndexOf(item);
  if (index < 0) return false;
  if (index === list.length - 1) list.pop();
  else list.splice(index, 1);
  return true;
}

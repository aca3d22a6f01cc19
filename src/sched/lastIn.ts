// Taking something back out of a list that is mostly a stack: read sections entered.

/** Removes the last `item` of `list`; false: it is not there. Where it is at the end nothing is moved or allocated. */
export function removeLast<T>(list: T[], item: T): boolean {
  if (list.length > 0 && list[list.length - 1] === item) {
    list.pop();
    return true;
  }
  const index = list.lastIndexOf(item);
  if (index >= 0) list.splice(index, 1);
  return index >= 0;
}

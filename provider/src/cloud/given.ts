/** A property that is there only if it has a value. */
export function given<K extends string, V>(key: K, value: V | undefined): { [_ in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [_ in K]: V });
}

/** What a mutation's `userErrors` tell a form. */
export interface Refusal {
  code: string;
  message: string;
  field?: readonly string[] | null;
}

/**
 * The message for each field, by its path in `input` ("amount.amount"); "" has what belongs to no
 * field. A path that the form has no field for belongs to the nearest one that it has.
 */
export function byField(
  refusals: readonly Refusal[],
  fields: readonly string[],
): Record<string, string> {
  const messages: Record<string, string> = {};
  for (const { field, message } of refusals) {
    const path = [...(field ?? [])];
    while (path.length && !fields.includes(path.join("."))) path.pop();
    const place = path.join(".");
    messages[place] = messages[place] ? `${messages[place]} ${message}` : message;
  }
  return messages;
}

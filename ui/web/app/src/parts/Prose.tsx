/** A sentence of the server, in which `commands` stand between backticks. */
export function Prose({ text }: { text: string }) {
  // Every second part stood between two backticks.
  return text.split('`').map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))
}

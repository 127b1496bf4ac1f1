/** That there is no value, in a table; where rows have no columns it is left out. */
export function None() {
  return (
    <span className="muted" data-none="">
      –
    </span>
  )
}

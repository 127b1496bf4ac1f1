/** Whether keys pressed there are text, or choose something, so that they can be no shortcuts. */
export function isTyping(on: EventTarget | null): boolean {
  if (!(on instanceof HTMLElement)) return false
  if (on instanceof HTMLInputElement) return on.type !== 'checkbox' && on.type !== 'radio'
  return on.isContentEditable || /^(TEXTAREA|SELECT)$/.test(on.tagName)
}

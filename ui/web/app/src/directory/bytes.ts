// The server counts a search in bytes of UTF-8, the browser in units of UTF-16.

const encoder = new TextEncoder()

/** How many bytes of UTF-8 stand before the place `at` of a text. */
export function bytesBefore(text: string, at: number): number {
  return encoder.encode(text.slice(0, at)).length
}

/** The place of a text before which `bytes` bytes of UTF-8 stand; inside a character: its beginning. */
export function placeOf(text: string, bytes: number): number {
  let seen = 0
  let at = 0
  for (const char of text) {
    const size = encoder.encode(char).length
    if (seen + size > bytes) break
    seen += size
    at += char.length
  }
  return at
}

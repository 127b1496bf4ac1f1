import { createTheme, Drawer, Menu, Modal, Popover, type MantineColorsTuple } from '@mantine/core'

const sea: MantineColorsTuple = [
  '#eaf5f8',
  '#d4e8ee',
  '#a8d1de',
  '#79b8cb',
  '#51a2ba',
  '#368fa9',
  '#257d97',
  '#1b6a82',
  '#14586d',
  '#0d4456',
]
// Mantine draws its dark surfaces from this tuple: text at 0, lines at 4, fields at 6, the body at 7.
const dark: MantineColorsTuple = [
  '#dfe7eb',
  '#b7c4cc',
  '#93a5b1',
  '#5f717d',
  '#2b3a45',
  '#24323c',
  '#1a2731',
  '#0e161c',
  '#0b1217',
  '#080d11',
]

export const theme = createTheme({
  colors: { sea, dark },
  primaryColor: 'sea',
  primaryShade: { light: 7, dark: 6 },
  fontFamily: "'IBM Plex Sans Variable', system-ui, -apple-system, 'Segoe UI', sans-serif",
  fontFamilyMonospace:
    "ui-monospace, 'SF Mono', 'Cascadia Mono', 'Segoe UI Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
  headings: { fontFamily: "'IBM Plex Sans Variable', system-ui, sans-serif", fontWeight: '600' },
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  // What is closed is gone at once: the next key is for the page again.
  components: Object.fromEntries(
    Object.entries({ Drawer, Menu, Modal, Popover }).map(([name, part]) => [
      name,
      part.extend({ defaultProps: { transitionProps: { exitDuration: 0 } } }),
    ]),
  ),
})

import { Modal } from '@mantine/core'
import classes from './Menus.module.css'

const keys: [keys: string[], does: string][] = [
  [['/'], 'to the search box'],
  [['Ctrl Space'], 'in the box: what may stand here'],
  [['Tab'], 'in the box: take a proposal'],
  [['j', '↓'], 'next host'],
  [['k', '↑'], 'the host before'],
  [['Page ↓', 'Page ↑'], 'a page on, a page back'],
  [['Home', 'End'], 'first host, last host'],
  [['Enter'], 'open the host'],
  [['x'], 'select it, or not'],
  [['Shift x'], 'and all between it and the one before; so Shift with a click'],
  [['r'], 'refresh'],
  [['Esc'], 'close; from the box to the hosts'],
  [['?'], 'these keys'],
]

/** What the keys do. */
export function Keys({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Keys" size="sm" closeButtonProps={{ 'aria-label': 'Close' }}>
      <dl className={classes.keyList}>
        {keys.map(([names, does]) => (
          <div key={does}>
            <dt>
              {names.map((n) => (
                <kbd key={n}>{n}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p className={classes.keyNote}>
        A click on a value at the side asks for it; with Shift or Alt it rules it out. A second click takes that back.
      </p>
    </Modal>
  )
}

import { Button, Menu } from '@mantine/core'
import { exportAddress, type Format } from '../../api/directory'
import { markedN, queriesOf, type Selection } from '../../directory/selection'
import { plural } from '../../words/count'
import { download, fetchFile } from './files'

const formats: { format: Format; title: string }[] = [
  { format: 'csv', title: 'CSV' },
  { format: 'ndjson', title: 'NDJSON' },
]

/** Every host that matches, or those that are marked, as a file with the columns that are shown. */
export function ExportMenu({
  q,
  sort,
  columns,
  total,
  selection,
  disabled,
  onError,
}: {
  q: string
  sort: string | undefined
  columns: string[]
  total: number
  selection: Selection
  /** What is asked for is not what is shown, and cannot be. */
  disabled: boolean
  onError: (error: unknown) => void
}) {
  const n = markedN(selection)
  const queries = queriesOf(selection)
  const only = queries.length === 1 ? queries[0] : undefined
  return (
    <Menu position="bottom-end" shadow="md" width={280}>
      <Menu.Target>
        <Button variant="default" disabled={disabled} title={disabled ? 'Once the search can be read' : undefined}>
          Export
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{plural(total, 'host')} that match, with the columns shown</Menu.Label>
        {formats.map(({ format, title }) => (
          <Menu.Item
            key={format}
            component="a"
            href={exportAddress(q, sort, format, columns)}
            download={`hosts.${format}`}
          >
            {title}
          </Menu.Item>
        ))}
        {n > 0 ? (
          <>
            <Menu.Divider />
            <Menu.Label>{plural(n, 'selected host')}</Menu.Label>
            {formats.map(({ format, title }) =>
              only !== undefined ? (
                <Menu.Item
                  key={format}
                  component="a"
                  href={exportAddress(only, sort, format, columns)}
                  download={`selected.${format}`}
                >
                  {title}, selected only
                </Menu.Item>
              ) : (
                <Menu.Item
                  key={format}
                  onClick={() => {
                    fetchFile(queries, sort, format, columns).then((f) => download(f, `selected.${format}`), onError)
                  }}
                >
                  {title}, selected only
                </Menu.Item>
              ),
            )}
          </>
        ) : null}
      </Menu.Dropdown>
    </Menu>
  )
}

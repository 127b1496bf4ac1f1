import { Button } from '@mantine/core'
import card from './Card.module.css'

/** The next page of a list; nothing where the list is whole. */
export function More({
  query,
}: {
  query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown }
}) {
  if (!query.hasNextPage) {
    return null
  }
  return (
    <Button
      className={card.more}
      variant="default"
      loading={query.isFetchingNextPage}
      onClick={() => void query.fetchNextPage()}
    >
      Show more
    </Button>
  )
}

//! Lists page by page: `?limit=50&cursor=ID`, by a growing id, so that a page costs the same wherever it is.

use serde::{Deserialize, Serialize};

use super::Problem;

/// Rows of a page unless asked for otherwise.
const USUAL: i64 = 50;
/// Rows of a page at most; some hundred rows still fit well into one answer.
const MOST: i64 = 500;

/// The query parameters of a list.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many, 1 to 500; 50 unless given.
    pub limit: Option<i64>,
    /// `next_cursor` of the page before; the first page without it.
    pub cursor: Option<i64>,
}

impl PageQuery {
    /// The id after which the page begins (0 for the first page: ids are positive) and how many rows to read.
    ///
    /// # Errors
    /// 400 for a limit or cursor that is not allowed.
    pub fn range(self) -> Result<(i64, i64), Problem> {
        let problem = || Problem::bad_request("The query has a parameter that is not acceptable; see `errors`.");
        let (after, limit) = (self.cursor.unwrap_or(0), self.limit.unwrap_or(USUAL));
        if !(1..=MOST).contains(&limit) {
            return Err(problem().with_error("limit", "is out of range", format!("Send a number from 1 to {MOST}.")));
        }
        if after < 0 {
            return Err(problem().with_error("cursor", "is out of range", "Send `next_cursor` of the page before."));
        }
        Ok((after, limit))
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows, in the order of their ids.
    pub items: Vec<T>,
    /// Where the next page begins; null when there is none. What is added meanwhile is on a later page.
    pub next_cursor: Option<i64>,
}

impl<T> Page<T> {
    /// The page of `items`, of which at most `limit` were read. A full page may be followed by an empty one.
    pub fn new(items: Vec<T>, limit: i64, id: impl Fn(&T) -> i64) -> Self {
        let full = i64::try_from(items.len()).is_ok_and(|read| read >= limit);
        let next_cursor = items.last().filter(|_| full).map(id);
        Self { items, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_names_where_the_next_one_begins() {
        let page = |ids: &[i64]| Page::new(ids.to_vec(), 2, |id| *id).next_cursor;
        assert_eq!((page(&[3, 7]), page(&[3]), page(&[])), (Some(7), None, None));
    }

    #[test]
    fn limits_have_bounds() {
        let range =
            |limit, cursor| PageQuery { limit, cursor }.range().map_err(|problem| problem.errors[0].field.clone());
        assert_eq!(range(None, None), Ok((0, 50)));
        assert_eq!(range(Some(500), Some(7)), Ok((7, 500)));
        assert_eq!(range(Some(0), None), Err("limit".into()));
        assert_eq!(range(Some(501), None), Err("limit".into()));
        assert_eq!(range(None, Some(-1)), Err("cursor".into()));
    }
}

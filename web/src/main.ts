// The only entry: the customer page is small and must not load the console, and the other way round.
if (location.pathname.startsWith('/call/')) {
  void import('./customer/entry');
} else {
  void import('./shell/entry');
}

# The real Net::SNPP::Server (Debian's libnet-snpp-perl): prints its port, then one line a page it has taken.
# Usage: perl snpp_server.pl MODE, with MODE plain (as it comes) or level3 (with LOGI, LEVE and MSTA added).
use strict;
use warnings;
use Net::SNPP::Server;
use Socket;

my $mode = shift;
$| = 1;
my $server = Net::SNPP::Server->new( Port => 0, MaxErrors => 5 );
my ($port) = sockaddr_in( getsockname( $server->socket() ) );
$server->callback( 'write_log', sub { } );
$server->callback( 'create_id_and_pin', sub { return ( '77', '4321' ) } );
$server->callback(
    'process_page',
    sub {
        my ( $pager, $page, $results ) = @_;
        push( @$results, [ $pager, $page ] );
        ( my $text = $page->{mess} ) =~ s/\n/|/g;
        print "$pager->[0] $text\n";
        return 1;
    }
);
if ( $mode eq 'level3' ) {
    $server->custom_command( 'LOGI', sub { return ( $_[0] eq 'mrsp' && $_[1] eq 'secret' ? '250 Login Accepted' : '550 Invalid Login', 1 ) } );
    $server->custom_command( 'LEVE', sub { return ( '250 Level OK', 1 ) } );
    $server->custom_command( 'MSTA', sub { return ( $_[0] eq '77' ? '889 1 261121200000+0 KWH=5' : '550 Unknown Tag', 1 ) } );
}
print "$port\n";
while (1) {
    my $client = $server->client();
    $client->autoflush(1);
    $server->handle_client($client);
    close($client);
}
